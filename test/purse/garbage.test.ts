/**
 * Any bytes, as a command, to a purse in any state, on the release firmware: an answer with a status word that
 * docs/APDU.md knows, no trap, the store as before (but for the count of PIN tries), and what was paid before is
 * shown again afterwards. Also real commands that were cut short, made longer or changed in a byte; and envelopes of
 * the purse's own numbers with anything in them.
 */

import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import * as p from "../../firmware/protocol/apdu.js";
import * as t from "../../firmware/protocol/tokens.js";
import { encodeCommand } from "../../host/apdu.js";
import { concatBytes, toHex } from "../../host/codec/bytes.js";
import { hostEnvelope } from "../../host/commands.js";
import { authenticate } from "../../host/provision.js";
import { RecordReader } from "../support/conservation-records.js";
import { storedIn } from "../support/purse-checks.js";
import {
  type Buyer,
  type Filled,
  MILLS,
  OTHER_SELLER,
  orderOf,
  PurseWorld,
  SELLER,
  SPEND_BY,
} from "../support/purses.js";
import { isKnownStatus } from "../support/status.js";

const NAMES = [
  "blank",
  "initialised, open for personalisation",
  "with purses of every state",
  "without a purse",
  "without PIN and date",
  "without the PIN, with an allowance",
  "with an order that is paid in part",
] as const;

interface Situation {
  readonly image: Uint8Array;
  /** The store may change: whoever holds the personalisation key may write. */
  readonly open?: boolean;
  /** The order that was paid in part. */
  readonly paid?: bigint;
}

let world: PurseWorld;
let buyer: Buyer;
let reader: RecordReader;
let filled: Filled;
const situations = new Map<string, Situation>();
/** Envelopes that a purse would take, and that an alteration of spoils. */
let sealed: Uint8Array[] = [];

beforeAll(async () => {
  reader = await RecordReader.create();
  world = new PurseWorld("garbage");
  buyer = await world.buyer("alice");
  const image = () => buyer.simulated.snapshot();
  situations.set("without a purse", { image: image() });
  filled = await world.purse(buyer);
  const closed = await world.purse(buyer, { seller: OTHER_SELLER });
  await buyer.card.close(closed.slot);
  const { sealed: asked } = await buyer.card.request(world.authorization("over-21", 5));
  sealed = [
    hostEnvelope(t.COMMAND_PURSE_INSTALL, world.mint.share(world.mint.open(asked))),
    hostEnvelope(t.COMMAND_PURSE_SETTLED, closed.slot, world.mint.refund(closed)),
  ];
  situations.set("with purses of every state", { image: image() });
  await buyer.card.allow(filled.slot, 20n);
  await buyer.card.spend(filled.slot, orderOf(50n), 9n);
  situations.set("with an order that is paid in part", { image: image(), paid: 9n });
  buyer.transport.reset();
  situations.set("without the PIN, with an allowance", { image: image(), paid: 9n });
  await world.unlock(buyer);
  await buyer.card.allow(filled.slot, 0n);
  buyer.transport.reset();
  situations.set("without PIN and date", { image: image(), paid: 9n });
  const { flash } = buyer.simulated.chip;
  buyer.simulated.powerOff();
  for (let page = 0; page < flash.geometry.pageCount; page += 1) flash.erase(page);
  await buyer.element.restart();
  situations.set("blank", { image: image() });
  const key = Uint8Array.from({ length: 32 }, (_, i) => (i * 11 + 3) & 0xff);
  await buyer.element.putKey(key);
  await authenticate(buyer.element, key);
  situations.set("initialised, open for personalisation", { image: image(), open: true });
});

const known = fc.constantFrom(
  ...[0x10, 0x12, 0x20, 0x24, 0x2c, 0x46, 0x82, 0x84, 0xa4, 0xb2, 0xc0, 0xc2, 0xca, 0xd8, 0xda, 0xe2, 0xf0],
);
const header = fc.tuple(
  fc.constantFrom(0, 0x80, 0x10, 0x90),
  known,
  fc.oneof(fc.constant(0), fc.nat(255)),
  fc.oneof(fc.constantFrom(0, 0x81, 0x24), fc.nat(255)),
);
const bytes = (max: number) => fc.uint8Array({ maxLength: max });
const item = fc.oneof(
  fc.nat(33),
  fc.maxSafeNat(),
  fc.constant(null),
  fc.boolean(),
  bytes(40),
  fc.constantFrom(SELLER, OTHER_SELLER),
  fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { maxLength: 9 }),
);
const command = fc.integer({ min: t.COMMAND_PURSE_REQUEST, max: t.COMMAND_PURSE_FIND + 2 });
const envelopeOf = (data: Uint8Array) => encodeCommand({ cla: p.CLA_OWN, ins: p.INS_ENVELOPE, p1: 0, p2: 0, data });

/** A purse's own numbers with anything behind them, but for orders that an owner may well give. */
const numbered = fc
  .tuple(command, fc.array(item, { maxLength: 11 }))
  .filter(([number, items]) => {
    if (number === t.COMMAND_PURSE_FORGET || number === t.COMMAND_PURSE_CLOSE) return items.length !== 1;
    return number !== t.COMMAND_PURSE_ALLOW || items.length !== 2;
  })
  .map(([number, items]) => hostEnvelope(number, ...items));

/** REQUEST and SPEND as they should be, but for one item. */
const nearly = fc.tuple(fc.boolean(), fc.nat(10), item).map(([isRequest, at, other]) => {
  const request = [world.mint.chain.subarray(1), OTHER_SELLER, 1, 840, 3, [[1, 5]], SPEND_BY, null, false, null];
  const spend = [filled.slot, orderOf(5n, 1, { seller: OTHER_SELLER }), 5, 0, null];
  const items = isRequest ? request : spend;
  items[at % items.length] = other as never;
  return hostEnvelope(isRequest ? t.COMMAND_PURSE_REQUEST : t.COMMAND_PURSE_SPEND, ...(items as never[]));
});

/** Sealed and signed words of an issuer: cut short, made longer, changed in one bit. */
const spoiled = fc.tuple(fc.nat(1), fc.nat(2), fc.nat()).map(([which, how, at]) => {
  const good = sealed[which] as Uint8Array;
  if (how === 0) return good.subarray(0, 2 + (at % (good.length - 2)));
  if (how === 1) return concatBytes(good, Uint8Array.of(at & 0xff));
  const altered = good.slice();
  // Behind address, kind, array, number and slot or header.
  const place = 8 + (at % (good.length - 8));
  altered[place] = (altered[place] as number) ^ (1 << (at & 7));
  return altered;
});

/** Commands: any bytes; known ones with any data; envelopes of any source and kind; nearly right ones. */
const garbage: fc.Arbitrary<Uint8Array> = fc.oneof(
  bytes(300),
  bytes(7_600),
  fc
    .tuple(header, fc.oneof(bytes(40), bytes(600)), fc.nat(65_536))
    .map(([[cla, ins, p1, p2], data, answerBytesMax]) => encodeCommand({ cla, ins, p1, p2, data, answerBytesMax }))
    .filter((apdu) => !isMeant(apdu)),
  fc
    .tuple(fc.nat(4), fc.nat(8), fc.oneof(bytes(60), bytes(1_500)))
    .map(([source, kind, body]) => envelopeOf(concatBytes(Uint8Array.of(source, kind), body))),
  numbered.map(envelopeOf),
  nearly.map(envelopeOf),
  spoiled.map(envelopeOf),
);

/** What is no garbage: OPEN, and PUT KEY on a blank chip. */
function isMeant(apdu: Uint8Array): boolean {
  return apdu[0] === 0x80 && (apdu[1] === p.INS_OPEN || apdu[1] === p.INS_PUT_KEY);
}

function send(apdu: Uint8Array): { data: Uint8Array; status: number } {
  const answer = buyer.transport.transmit(apdu);
  expect(answer.length).toBeGreaterThanOrEqual(2);
  const status = ((answer.at(-2) as number) << 8) | (answer.at(-1) as number);
  return { data: answer.subarray(0, -2), status };
}

const countsTries = (apdu: Uint8Array) =>
  [p.INS_VERIFY, p.INS_CHANGE_REFERENCE_DATA, p.INS_RESET_RETRY_COUNTER].includes(apdu[1] ?? 0);

const RUNS = 150;

describe("garbage", () => {
  test.each(NAMES)("%s", async (name) => {
    const { image, open, paid } = situations.get(name) as Situation;
    let answered = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(garbage, { minLength: 1, maxLength: 7 }), async (commands) => {
        buyer.simulated.restore(image);
        const before = storedIn(buyer, reader);
        for (const apdu of commands) {
          const { status } = send(apdu);
          expect(isKnownStatus(status), `${toHex(apdu.slice(0, 12))} answered ${status.toString(16)}`).toBe(true);
          if ((status & 0xff00) === p.SW_FETCH) answered += 1;
          if (status === p.SW_WRONG_DATA) refused += 1;
        }
        // Ends a chain that the garbage may have begun.
        send(Uint8Array.of(0, p.INS_GET_RESPONSE, 0, 0, 0));
        if (open !== true && !commands.some(countsTries)) expect(storedIn(buyer, reader)).toBe(before);
        if (paid === undefined || commands.filter(countsTries).length > 2) return;
        await world.restart(buyer);
        const again = await buyer.card.spend(filled.slot, orderOf(50n), paid);
        expect(again.ranges).toEqual([
          { first: 0, count: 4 },
          { first: 500, count: 1 },
        ]);
      }),
      { numRuns: RUNS, seed: 1 },
    );
    // It got as far as the purse's own commands.
    if (name.startsWith("with ")) expect([answered > 20, refused > 20]).toEqual([true, true]);
  });

  test("what was spoiled is taken when it was not: the alterations are what is refused", async () => {
    buyer.simulated.restore((situations.get("with purses of every state") as Situation).image);
    for (const envelope of sealed) expect(send(envelopeOf(envelope)).status & 0xff00).toBe(p.SW_FETCH);
    expect((await buyer.card.purses()).map(({ state }) => state)).toEqual(["open", "open"]);
    expect(await buyer.card.find(SELLER, t.PURSE_MONEY, MILLS)).toBeDefined();
  });
});
