/** A card: logical channels, what is remembered on them, and that nothing sent to it makes it fall over. */

import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import { toHex } from "../../host/codec/bytes.js";
import { Card, type CardApplication, CardOff } from "../../simulator/card/card.js";
import { AGENT, blankApplications, bytesOf, KEY, MODULE, PURSE, select } from "../support/cards.js";
import { ModuleWorld, PIN } from "../support/modules.js";

const VERIFY = `20 00 81 04 ${[...PIN].map((digit) => `3${digit}`).join(" ")}`;
/** Balances: they want the PIN. */
const BALANCES = "ca df 10 00";

let card: Card;
const answer = (text: string) => toHex(card.transmit(bytesOf(text)));
const sw = (text: string) => answer(text).slice(-4);
const chosen = (aid: Uint8Array, channel = 0) => toHex(card.transmit(select(aid, channel))).slice(-4);

describe("channels of a card", () => {
  beforeEach(() => {
    card = new Card(blankApplications("channels"));
    card.powerOn();
  });

  test("the basic one is open; others are opened by number, or the card chooses the first that is free", () => {
    expect(chosen(MODULE, 1)).toBe("6881");
    expect(answer("00 70 00 02")).toBe("9000");
    expect(answer("00 70 00 00 01")).toBe("019000");
    expect(answer("00 70 00 00 01")).toBe("039000");
    expect(answer("00 70 00 00 01")).toBe("6a81");
    expect(answer("00 70 00 02")).toBe("6a81");
    expect(answer("00 70 80 01")).toBe("9000");
    expect(answer("00 70 80 01")).toBe("6881");
    expect(answer("00 70 00 00 00")).toBe("019000");
  });

  test("a channel closes itself; the basic one is never closed", () => {
    expect(answer("00 70 00 01")).toBe("9000");
    expect(answer("01 70 80 00")).toBe("9000");
    expect(chosen(MODULE, 1)).toBe("6881");
    expect(answer("00 70 80 00")).toBe("6b00");
    expect(answer("00 70 80 04")).toBe("6b00");
    expect(answer("00 70 00 04")).toBe("6b00");
    expect(answer("00 70 40 00")).toBe("6b00");
    expect(answer("00 70 00 00")).toBe("6700");
    expect(answer("00 70 00 01 01 00")).toBe("6700");
  });

  test("each has its own application, and an application has one channel", () => {
    expect(answer("00 70 00 01")).toBe("9000");
    expect(chosen(MODULE)).toBe("9000");
    expect(chosen(MODULE, 1)).toBe("6985");
    expect(chosen(AGENT, 1)).toBe("9000");
    expect(answer("00 ca df 01 00")).toContain("800101");
    expect(answer("01 ca df 01 00")).toContain("800102");
    // Left by one channel, it is there for another.
    expect(chosen(PURSE)).toBe("9000");
    expect(chosen(MODULE, 1)).toBe("9000");
    expect(answer("01 70 80 00")).toBe("9000");
    expect(chosen(MODULE)).toBe("9000");
  });

  test("classes of secure messaging and of channels that there are not are refused", () => {
    expect(chosen(MODULE)).toBe("9000");
    expect(sw("40 ca df 01 00")).toBe("6881");
    expect(sw("c0 ca df 01 00")).toBe("6881");
    expect(sw("ff ca df 01 00")).toBe("6e00");
    expect(sw("0c ca df 01 00")).toBe("6e00");
    expect(sw("00")).toBe("6700");
    expect(sw("")).toBe("6700");
  });

  test("without an application there are no commands and no files", () => {
    expect(sw("00 ca df 01 00")).toBe("6985");
    expect(sw("00 c0 00 00 00")).toBe("6985");
    expect(sw("00 a4 00 00 02 3f 00")).toBe("6a82");
    expect(sw("00 a4 04 00 02 a0 00 00")).toBe("6a82");
    expect(sw("00 a4 04 00 00")).toBe("6a82");
  });

  test("all are closed by a reset and by power that goes", () => {
    expect(answer("00 70 00 01")).toBe("9000");
    expect(chosen(MODULE)).toBe("9000");
    card.powerOn();
    expect(sw("00 ca df 01 00")).toBe("6985");
    expect(chosen(AGENT, 1)).toBe("6881");
    card.powerOff();
    expect(card.isOn).toBe(false);
    expect(() => card.transmit(select(MODULE))).toThrow(CardOff);
  });
});

describe("the owner's PIN", () => {
  let applications: readonly CardApplication[];
  beforeEach(async () => {
    const module = (await new ModuleWorld("a card's PIN").module("alice", ROLE_TRANSACTION)).simulated;
    const [, agent] = blankApplications("PIN");
    applications = [{ aid: MODULE, element: module }, ...(agent === undefined ? [] : [agent])];
    card = new Card(applications);
    card.powerOn();
    expect(answer("00 70 00 01")).toBe("9000");
    expect(chosen(MODULE)).toBe("9000");
    expect(sw(`00 ${BALANCES}`)).toBe("6982");
    expect(answer(`00 ${VERIFY}`)).toBe("9000");
    expect(sw(`00 ${BALANCES}`)).toBe("9000");
  });

  test("is forgotten by SELECT", () => {
    expect(chosen(MODULE)).toBe("9000");
    expect(sw(`00 ${BALANCES}`)).toBe("6982");
  });

  test("is nothing on another channel, when the first has gone over to another application or was closed", () => {
    expect(chosen(AGENT)).toBe("9000");
    expect(sw(`01 ${BALANCES}`)).toBe("6985");
    expect(chosen(MODULE, 1)).toBe("9000");
    expect(sw(`01 ${BALANCES}`)).toBe("6982");
    expect(answer(`01 ${VERIFY}`)).toBe("9000");
    expect(answer("01 70 80 00")).toBe("9000");
    expect(answer("00 70 00 01")).toBe("9000");
    expect(sw(`01 ${BALANCES}`)).toBe("6985");
    expect(chosen(MODULE, 1)).toBe("9000");
    expect(sw(`01 ${BALANCES}`)).toBe("6982");
  });

  test("does not come to another channel with a SELECT that the application refused", () => {
    expect(chosen(AGENT)).toBe("9000");
    // Its name is right, and its P2, or what follows, is not.
    const named = [...MODULE].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    for (const refused of [`01 a4 04 0c 07 ${named} 00`, `01 a4 04 00 07 ${named} 00 00`, `01 a4 04 02 07 ${named}`]) {
      expect(sw(refused), refused).not.toBe("9000");
      expect(sw(`01 ${BALANCES}`), refused).toBe("6985");
    }
  });

  test("is forgotten by a reset and by power that goes", () => {
    card.powerOn();
    expect(chosen(MODULE)).toBe("9000");
    expect(sw(`00 ${BALANCES}`)).toBe("6982");
    expect(answer(`00 ${VERIFY}`)).toBe("9000");
    card.powerOff();
    card.powerOn();
    expect(chosen(MODULE)).toBe("9000");
    expect(sw(`00 ${BALANCES}`)).toBe("6982");
  });
});

describe("a chip that stops", () => {
  test("at a power cut answers 6F00 until the reset, and the others go on", () => {
    const applications = blankApplications("stops");
    const module = applications[0]?.element;
    card = new Card(applications);
    card.powerOn();
    expect(answer("00 70 00 01")).toBe("9000");
    expect(chosen(MODULE)).toBe("9000");
    expect(chosen(AGENT, 1)).toBe("9000");
    if (module === undefined) throw new Error("no module");
    module.chip.onOperation = () => ({ cut: "before" });
    // PUT KEY writes.
    const putKey = `80 d8 00 00 20 ${KEY}`;
    expect(answer(putKey)).toBe("6f00");
    module.chip.onOperation = undefined;
    expect(answer(putKey)).toBe("6f00");
    expect(chosen(MODULE)).toBe("6f00");
    expect(sw("01 ca df 01 00")).toBe("9000");
    card.powerOn();
    expect(chosen(MODULE)).toBe("9000");
    expect(answer(putKey)).toBe("9000");
  });

  test("or does not start leaves a card whose other chips do", () => {
    const applications = blankApplications("does not start");
    card = new Card(applications);
    const chip = applications[0]?.element.chip;
    if (chip === undefined) throw new Error("no module");
    chip.onOperation = () => ({ cut: "before" });
    card.powerOn();
    expect(chosen(MODULE)).toBe("6f00");
    expect(chosen(AGENT)).toBe("9000");
    chip.onOperation = undefined;
    card.powerOn();
    expect(chosen(MODULE)).toBe("9000");
  });
});

test("whatever is sent, the card answers with a status word and does not throw", () => {
  const header = fc.tuple(
    fc.constantFrom(0x00, 0x01, 0x02, 0x03, 0x10, 0x11, 0x40, 0x80, 0x81, 0x90, 0xff),
    fc.constantFrom(0x70, 0xa4, 0xc0, 0xca, 0x20, 0x84, 0xc2, 0x12, 0xb2),
    fc.constantFrom(0x00, 0x04, 0x80, 0xdf),
    fc.nat(255),
  );
  const likely = fc
    .tuple(header, fc.uint8Array({ maxLength: 40 }))
    .map(([start, rest]) => Uint8Array.of(...start, ...rest));
  const command = fc.oneof(
    likely,
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(select(MODULE), select(AGENT, 1), select(PURSE, 2), new Uint8Array(65_535)),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
      const tried = new Card(blankApplications("whatever is sent"));
      tried.powerOn();
      for (const each of commands) expect(tried.transmit(each).length).toBeGreaterThanOrEqual(2);
    }),
    { numRuns: 100 },
  );
});
