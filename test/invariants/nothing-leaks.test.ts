/**
 * What is carried between elements says nothing: in a whole purchase and a whole sale every envelope that is not from or to
 * a host is searched for everything that it could give away. And what hosts are told is the list of docs/ARCHITECTURE.md,
 * "What a host is told", field by field.
 */

import { beforeAll, describe, expect, it } from "vitest";
import { TYPE_PURCHASE, TYPE_SALE } from "../../firmware/protocol/messages.js";
import { toHex } from "../../host/codec/bytes.js";
import { type CborValue, encode } from "../../host/codec/cbor.js";
import { decodeChain, readCertificate } from "../../host/codec/certificate.js";
import type { Chip } from "../../simulator/chip.js";
import { CARD } from "../support/agents.js";
import type { Step } from "../support/figures.js";
import { found, type Secret, secretAmount, secretBytes, secretText } from "../support/figures-secrets.js";
import { FigureStage } from "../support/figures-stage.js";
import { names, noticeOf, trade } from "../support/purchase.js";

/** Amounts whose bytes are long enough not to stand in a ciphertext by chance. */
const MONEY = "USD 27.31";
const AMOUNT = 2731n;
const FEE = 50n;
const DOLLARS = 840;

interface Deal {
  readonly steps: readonly Step[];
  readonly between: readonly Step[];
  readonly secrets: readonly Secret[];
  readonly randoms: readonly Secret[];
}

/** Every random value of 32 bytes that a chip draws from now on. */
function recordRandom(chip: Chip, drawn: Uint8Array[]): () => void {
  const draw = chip.randomBytes.bind(chip);
  chip.randomBytes = (destination) => {
    const status = draw(destination);
    if (destination.length === 32) drawn.push(destination.slice());
    return status;
  };
  return () => {
    chip.randomBytes = draw;
  };
}

async function certificates(stage: FigureStage): Promise<Secret[]> {
  const secrets: Secret[] = [];
  for (const [name, { device }] of [
    ["A", stage.A],
    ["B", stage.B],
  ] as const) {
    for (const [sort, element] of [
      ["agent", device.agent],
      ["module", device.module],
    ] as const) {
      const { device: certificate, server } = decodeChain(await element.chain());
      const own = readCertificate(certificate);
      const of = `${name}'s ${sort}`;
      secrets.push(
        secretBytes(`certificate of ${of}`, certificate),
        secretBytes(`security server's certificate of ${of}`, server),
        secretBytes(`id of ${of}`, own.id),
        secretText(`id of ${of} in digits`, toHex(own.id)),
        secretBytes(`signature key of ${of}`, own.signatureKey),
        secretBytes(`agreement key of ${of}`, own.agreementKey),
      );
    }
  }
  return secrets;
}

async function run(stage: FigureStage, type: number): Promise<Deal> {
  stage.reset();
  const drawn: Uint8Array[] = [];
  const undo = [stage.A, stage.B].map(({ agent }) => recordRandom(agent.simulated.chip, drawn));
  const notes = [...(await stage.A.device.module.notes()), ...(await stage.B.device.module.notes())];
  const { customer, merchant } = await trade(stage.world, stage.A, stage.B, { type, money: MONEY });
  for (const each of undo) each();
  expect([names(customer).at(-1), names(merchant).at(-1)]).toEqual(["done", "done"]);
  const steps = [...stage.story.steps];
  const between = steps.filter(({ from, to }) => from !== "host" && to !== "host");
  const asked = noticeOf(merchant, "authorize");
  // Random values of an agent that are not the link's, which are there to be seen, are R(1) and R(2).
  const opened = new Set(
    between.flatMap(({ layers }) => (layers[0]?.name === "LINK_OPEN" ? [idOf(layers[0].items[0])] : [])),
  );
  const randoms = drawn.filter((bytes) => !opened.has(toHex(bytes))).map((r, i) => secretBytes(`R(${i + 1})`, r));
  const secrets = [
    secretAmount("amount", AMOUNT, DOLLARS),
    secretAmount("authorization amount", asked.authorization.amount, DOLLARS),
    secretText("account number", CARD.account),
    secretText("bank", CARD.bank),
    secretText("customer's name", CARD.customer),
    secretText("merchant's name", "Corner Shop"),
    secretText("registry's name", "Registry"),
    secretBytes("receipt hash", asked.receiptHash),
    secretBytes("pay-id", noticeOf(customer, "done").payId ?? new Uint8Array(0)),
    ...notes.map(({ noteId }, i) => secretBytes(`note id ${i}`, noteId)),
    ...(await certificates(stage)),
    ...randoms,
  ];
  return { steps, between, secrets, randoms };
}

function idOf(value: CborValue | undefined): string {
  return value instanceof Uint8Array ? toHex(value) : "";
}

let stage: FigureStage;
const deals = new Map<number, Deal>();

beforeAll(async () => {
  stage = await FigureStage.create("nothing leaks");
  for (const type of [TYPE_PURCHASE, TYPE_SALE]) deals.set(type, await run(stage, type));
});

describe.each([
  ["purchase", TYPE_PURCHASE],
  ["sale", TYPE_SALE],
])("between elements, in a %s", (_name, type) => {
  const deal = () => deals.get(type) as Deal;

  it("every envelope is there: all parts of the way, in both devices", () => {
    const ways = new Set(deal().between.map(({ device, from, to }) => `${device} ${from}>${to}`));
    const expected = ["agent>peer", "peer>agent", "agent>module", "module>agent"];
    expect([...ways].sort()).toEqual(["A", "B"].flatMap((device) => expected.map((way) => `${device} ${way}`)).sort());
    expect(deal().between.length).toBeGreaterThan(80);
  });

  it("nothing is in clear: amounts, accounts, names, notes, certificates, keys, R(1), R(2), receipt, pay-id", () => {
    const leaks = deal().between.flatMap(({ text, body }) =>
      found(deal().secrets, body).map((name) => `${text}: ${name}`),
    );
    expect(leaks).toEqual([]);
  });

  it("R(1) and R(2) are what the agents' chips drew, and what went between them, sealed", () => {
    expect(deal().randoms.map(({ name }) => name)).toEqual(["R(1)", "R(2)"]);
    const said = deal().steps.filter(({ layers }) => /^PAYMENT(_READY)?$/.test(layers[0]?.name ?? ""));
    const told = new Set(said.map(({ layers }) => idOf(layers[0]?.items[0])));
    expect(told).toEqual(new Set(deal().randoms.map(({ forms }) => toHex(forms[0] as Uint8Array))));
  });

  it("the search bites: what is under the seals holds every one of them", () => {
    // Everything that was sealed, as if somebody had left the seals off.
    const bare = deal().between.flatMap(({ layers }) => layers.map(({ items }) => encode([...items])));
    const seen = new Set(bare.flatMap((bytes) => found(deal().secrets, bytes)));
    const missing = deal()
      .secrets.map(({ name }) => name)
      .filter((name) => !seen.has(name));
    // Notes that were not paid with stay where they are; what the network is asked is made of the receipt, not sent.
    expect(missing.filter((name) => !/^(note id|receipt hash)/.test(name))).toEqual([]);
    for (const { name, forms } of deal().secrets) {
      const [form] = forms;
      const leaky = Uint8Array.from([...(deal().between[9]?.body ?? []), ...(form ?? [])]);
      expect(found(deal().secrets, leaky), name).toContain(name);
    }
  });

  it("the search bites: in hosts' notices it finds what they are told", () => {
    const told = deal().steps.filter(({ to }) => to === "host");
    const seen = new Set(told.flatMap(({ body }) => found(deal().secrets, body)));
    const list = [
      "amount",
      "authorization amount",
      "account number",
      "bank",
      "merchant's name",
      "receipt hash",
      "pay-id",
    ];
    for (const name of list) expect([...seen], name).toContain(name);
    for (const name of ["R(1)", "R(2)", "customer's name", "note id 0", "certificate of A's module"]) {
      expect([...seen], name).not.toContain(name);
    }
  });
});

/** Any bytes of that length. */
const bytes = (length: number) =>
  expect.toSatisfy((value: unknown) => value instanceof Uint8Array && value.length === length);
const some = expect.any(Uint8Array);

describe.each([
  ["purchase", TYPE_PURCHASE, AMOUNT + FEE],
  ["sale", TYPE_SALE, AMOUNT - FEE],
])("what hosts are told in a %s, as docs/ARCHITECTURE.md has it", (_name, type, authorization) => {
  const unit = [DOLLARS, 2];
  const money = [Number(AMOUNT), ...unit];
  const masked = "************1234";

  function told(device: string): [string, ...CborValue[]][] {
    const steps = (deals.get(type) as Deal).steps.filter(
      ({ to, device: at, from }) => to === "host" && at === device && from !== "host",
    );
    return steps.map(({ from, layers }) => [`${from} ${layers[0]?.name}`, ...(layers[0]?.items ?? [])]);
  }

  it("the customer's host", () => {
    const receipt = [CARD.bank, masked, type, Number(authorization), ...unit, ...money, Number(FEE), 1, 1];
    expect(told("A")).toEqual([
      ["agent SESSION", stage.B.device.agent.id, 2],
      ["agent CONFIRM_MERCHANT", "Corner Shop", expect.any(Number)],
      ["agent AMOUNT"],
      ["agent CARDS", [[expect.any(Number), 4, CARD.bank, masked, CARD.expiry]]],
      ["agent CONFIRM_RECEIPT", [...receipt, expect.any(Number)]],
      ["agent OUTCOME", bytes(32), some, some],
      ["agent DONE", bytes(32)],
    ]);
  });

  it("the merchant's host", () => {
    const { A, B } = stage;
    expect(told("B")).toEqual([
      ["agent SESSION", A.device.agent.id, 1],
      ["agent TERMS", type, ...money, CARD.bank, masked],
      [
        "agent AUTHORIZE",
        type,
        CARD.bank,
        CARD.account,
        Number(authorization),
        ...unit,
        bytes(32),
        A.device.agent.id,
        B.device.agent.id,
        CARD.expiry,
      ],
      ["agent OUTCOME", bytes(32), some, some],
      ["agent DONE", bytes(32)],
    ]);
  });
});
