/** At the APDU surface of the agent: whatever comes, in whatever state, it answers a standard status word and keeps its store. */

import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import * as p from "../../firmware/protocol/apdu.js";
import * as m from "../../firmware/protocol/messages.js";
import { type CborValue, encode } from "../../host/codec/cbor.js";
import { hostEnvelope } from "../../host/commands.js";
import { type AgentDevice, AgentWorld, PIN } from "../support/agents.js";
import { type HostAnswers, trade } from "../support/purchase.js";

const STANDARD = new Set([0x61, 0x63, 0x65, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x90, 0x91]);

let world: AgentWorld;
let customer: AgentDevice;
let merchant: AgentDevice;
let authority: AgentDevice;

beforeAll(async () => {
  world = new AgentWorld("surface");
  authority = await world.authority("Registry");
  merchant = await world.merchant("Corner Shop", authority);
  customer = await world.customer("Alice", authority);
  await world.fund([merchant, "USD 100.00"]);
});

function isStandard(response: Uint8Array): boolean {
  return response.length >= 2 && STANDARD.has(response.at(-2) ?? 0);
}

function extended(cla: number, ins: number, p1: number, p2: number, data: Uint8Array): Uint8Array {
  if (data.length === 0) return Uint8Array.of(cla, ins, p1, p2);
  return Uint8Array.of(cla, ins, p1, p2, 0, data.length >> 8, data.length & 0xff, ...data);
}

const byte = fc.integer({ min: 0, max: 255 });
const apdus = fc.oneof(
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        fc.constantFrom(0x00, 0x80, 0x10, 0x90, 0x84),
        fc.constantFrom(
          ...[p.INS_GET_DATA, p.INS_READ_RECORD, p.INS_ENVELOPE, p.INS_FETCH, p.INS_PUT_DATA, p.INS_GET_RESPONSE],
          ...[p.INS_GENERATE_KEY_PAIR, p.INS_STORE_DATA, p.INS_PUT_KEY, p.INS_EXTERNAL_AUTHENTICATE],
        ),
        byte,
        byte,
        fc.uint8Array({ maxLength: 300 }),
      )
      .map(([cla, ins, p1, p2, data]) => extended(cla, ins, p1, p2, data)),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(0, 1, 2, 3, 9), fc.integer({ min: 0, max: 9 }), fc.uint8Array({ maxLength: 300 }))
      .map(([address, kind, body]) => extended(p.CLA_OWN, p.INS_ENVELOPE, 0, 0, Uint8Array.of(address, kind, ...body))),
  },
);

/** A host's commands of every number, with items that fit none of them, or some. */
const item: fc.Arbitrary<CborValue> = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 40 }),
  fc.string({ maxLength: 20 }),
  fc.array(fc.integer(), { maxLength: 3 }),
);
const commands = fc
  .tuple(fc.integer({ min: 0, max: 60 }), fc.array(item, { maxLength: 6 }))
  .filter(([number]) => number !== m.COMMAND_CANCEL && number !== m.COMMAND_NO && number !== m.COMMAND_SETTLE)
  .map(([number, items]) => extended(p.CLA_OWN, p.INS_ENVELOPE, 0, 0, hostEnvelope(number, ...items)));

function digestOf(device: AgentDevice): string {
  const ask = () => device.agent.simulated.transmit(Uint8Array.of(0, p.INS_GET_DATA, 0xdf, 5, 0, 0, 0));
  // A chain that was left open is ended by the first.
  ask();
  const response = ask();
  return Buffer.from(response).toString("hex");
}

function bombard(device: AgentDevice, what: fc.Arbitrary<Uint8Array>, runs: number, seed: number): void {
  const before = digestOf(device);
  fc.assert(
    fc.property(what, (apdu) => {
      expect(isStandard(device.agent.simulated.transmit(apdu)), Buffer.from(apdu).toString("hex")).toBe(true);
      expect(digestOf(device)).toBe(before);
    }),
    { numRuns: runs, seed },
  );
}

describe("an agent at rest", () => {
  it.each([
    ["customer", () => customer],
    ["merchant", () => merchant],
    ["authority", () => authority],
  ])("%s", (_name, device) => {
    bombard(device(), apdus, 1500, 1);
  });

  it("without PIN carries out no command", async () => {
    await customer.device.agent.restart();
    for (let number = 1; number <= 60; number += 1) {
      const status = customer.agent.simulated.transmit(extended(p.CLA_OWN, p.INS_ENVELOPE, 0, 0, hostEnvelope(number)));
      expect([...status]).toEqual([0x69, 0x82]);
    }
    await customer.device.unlock(PIN);
  });
});

/** Everything but what may end the session: the timer's word, and seals of the peer that are wrong too often. */
const beside = fc
  .tuple(fc.constantFrom(0, 1, 2, 9), fc.integer({ min: 2, max: 9 }), fc.uint8Array({ maxLength: 300 }))
  .filter(([address, kind]) => !(address === 0 && kind === m.KIND_TIMEOUT))
  .map(([address, kind, body]) => extended(p.CLA_OWN, p.INS_ENVELOPE, 0, 0, Uint8Array.of(address, kind, ...body)));

/** Both agents, with the session and what they have agreed on so far, while this notice waits for its answer. */
async function inState(side: "customer" | "merchant", name: string, work: () => void): Promise<void> {
  let worked = false;
  const answers: HostAnswers = {
    [name]: () => {
      work();
      worked = true;
      return hostEnvelope(m.COMMAND_CANCEL);
    },
  };
  await trade(world, customer, merchant, { type: m.TYPE_PURCHASE, [side]: answers });
  expect(worked).toBe(true);
}

describe("an agent in the middle of a purchase", () => {
  it.each([
    ["customer", "confirm-merchant"],
    ["customer", "amount"],
    ["customer", "cards"],
    ["customer", "confirm-receipt"],
    ["merchant", "terms"],
    ["merchant", "authorize"],
  ] as const)("%s at %s", async (side, notice) => {
    await inState(side, notice, () => bombard(side === "customer" ? customer : merchant, beside, 150, 2));
  });

  it.each([
    ["customer", "cards"],
    ["merchant", "authorize"],
  ] as const)("%s at %s, commands that do not belong there", async (side, notice) => {
    await inState(side, notice, () => bombard(side === "customer" ? customer : merchant, commands, 400, 3));
  });
});

it("records are asked for by number, and end with 6A83", async () => {
  const records = await merchant.device.agent.records(p.FILE_TICKETS);
  expect(records).toHaveLength(1);
  expect(encode(records[0] ?? null).length).toBeGreaterThan(10);
});
