/** WO 96/41315 fig. 10, Check Credential, with the four validations of the text beside it. */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ROLE_MERCHANT } from "../../firmware/protocol/kinds.js";
import { AGENT_CREDENTIAL, TICKET_MERCHANT_CREDENTIAL, TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import {
  REASON_BAD_ID,
  REASON_BAD_SIGNATURE,
  REASON_NOT_CONFIRMED,
  REASON_TICKET_EXPIRED,
  REASON_TICKET_INVALID,
} from "../../firmware/protocol/reasons.js";
import type { CborValue } from "../../host/codec/cbor.js";
import { readTicket, validateTicket } from "../../host/codec/ticket.js";
import { command } from "../../host/commands.js";
import { NOW } from "../support/agents.js";
import { FigureStage } from "../support/figures-stage.js";
import { type HostAnswers, names, noticeOf, trade } from "../support/purchase.js";

const YEAR_SECONDS = 31_536_000;

let stage: FigureStage;
/** A genuine credential, of another merchant whose name is as long. */
let others: Uint8Array;

beforeAll(async () => {
  stage = await FigureStage.create("figure 10");
  const { world, registry } = stage;
  const issuing = { ...registry, device: stage.watched("R", { agent: registry.agent }) };
  const other = await world.device("Cellar Shop", ROLE_MERCHANT);
  await world.grant(issuing, other, TICKET_MERCHANT_CREDENTIAL, ["Cellar Shop", NOW + YEAR_SECONDS]);
  others = stage.story.step("R agent>peer DELIVER").layers[0]?.items[0] as Uint8Array;
});
beforeEach(() => stage.reset());

const meet = (customer: HostAnswers = {}) => trade(stage.world, stage.A, stage.B, { type: TYPE_PURCHASE, customer });

/** B's agent shows another ticket. */
function show(change: (ticket: Uint8Array) => Uint8Array): void {
  stage.story.cheat(stage.B.agent.simulated.chip, (items: readonly CborValue[]) => {
    if (items.length !== 2 || items[0] !== AGENT_CREDENTIAL || !(items[1] instanceof Uint8Array)) return undefined;
    return [AGENT_CREDENTIAL, change(items[1])];
  });
}

/** Step 458: A aborts, B hears it, A's owner was asked nothing, and both stores are as before. */
async function expectRefused(reason: number): Promise<void> {
  const before = await stage.agentStores();
  const { customer, merchant } = await meet();
  expect(noticeOf(customer, "aborted")).toMatchObject({ reason, byPeer: false });
  expect(noticeOf(merchant, "aborted")).toMatchObject({ reason, byPeer: true });
  expect(names(customer)).not.toContain("confirm-merchant");
  expect(stage.story.said).not.toContain("A agent>peer AMOUNT");
  expect(await stage.agentStores()).toEqual(before);
}

describe("all well", () => {
  it("steps 444-456: A asks, B takes its credential from its ticket holder and sends it", async () => {
    await meet();
    const places = stage.story.places("A agent>peer REQUEST_CREDENTIAL", "B agent>peer CREDENTIAL");
    expect(places).toEqual([...places].sort((a, b) => a - b));
    const ticket = readTicket(stage.story.step("B agent>peer CREDENTIAL").layers[0]?.items[0] as Uint8Array);
    expect(ticket.components).toEqual({
      kind: "credential",
      credential: { name: "Corner Shop", expiry: NOW + YEAR_SECONDS },
    });
    const issuer = validateTicket(ticket, stage.world.agentsRoot, NOW + 1, stage.B.device.agent.id);
    expect(issuer.device.id).toEqual(stage.registry.device.agent.id);
  });

  it("steps 460-462: the owner is shown name and expiry, and confirms", async () => {
    const { customer } = await meet();
    expect(noticeOf(customer, "confirm-merchant")).toMatchObject({
      merchant: "Corner Shop",
      expiry_seconds: NOW + YEAR_SECONDS,
    });
    expect(names(customer).at(-1)).toBe("done");
  });
});

describe("step 458, the credential is not valid", () => {
  it("validation 1: the issuer's signature, over a name that was changed", async () => {
    show((ticket) => {
      const altered = Uint8Array.from(ticket);
      const at = Buffer.from(altered).lastIndexOf("Corner Shop");
      altered.set(new TextEncoder().encode("Corner Bank"), at);
      return altered;
    });
    await expectRefused(REASON_BAD_SIGNATURE);
  });

  it("validation 1: an issuer on the list of untrusted agents", async () => {
    const { agents } = stage.world.agencies;
    await stage.A.device.agent.putList(agents.badIdList(1n, NOW, [[stage.registry.device.agent.id, 1]]));
    await expectRefused(REASON_BAD_ID);
  });

  it("validation 2: the first sender in the transfer history is not the issuer", async () => {
    show((ticket) => {
      const altered = Uint8Array.from(ticket);
      const id = Buffer.from(stage.registry.device.agent.id);
      // The last is in what the signature covers; the one before is the sender in the history.
      const at = Buffer.from(altered).lastIndexOf(id, Buffer.from(altered).lastIndexOf(id) - 1);
      altered[at] = (altered[at] ?? 0) ^ 1;
      return altered;
    });
    await expectRefused(REASON_TICKET_INVALID);
  });

  it("validation 3: the sender's signature", async () => {
    show((ticket) => {
      const altered = Uint8Array.from(ticket);
      altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1;
      return altered;
    });
    await expectRefused(REASON_BAD_SIGNATURE);
  });

  it("validation 4: a genuine credential of another merchant: its last receiver is not the agent in this session", async () => {
    expect(readTicket(others).components).toMatchObject({ credential: { name: "Cellar Shop" } });
    show(() => others);
    await expectRefused(REASON_TICKET_INVALID);
  });

  it("a credential that has expired", async () => {
    const late = BigInt(NOW + YEAR_SECONDS + 86_400);
    for (const { device } of [stage.A, stage.B]) await device.agent.open(late);
    await expectRefused(REASON_TICKET_EXPIRED);
  });
});

it("step 462, not confirmed: A aborts, and B learns that and no more", async () => {
  const { customer, merchant } = await meet({ "confirm-merchant": () => command.no(REASON_BAD_ID) });
  expect(noticeOf(customer, "aborted")).toMatchObject({ reason: REASON_NOT_CONFIRMED, byPeer: false });
  expect(noticeOf(merchant, "aborted")).toMatchObject({ reason: REASON_NOT_CONFIRMED, byPeer: true });
  expect(stage.story.said).not.toContain("A agent>host AMOUNT");
});
