/** The decoder: what a person is shown of real bytes, and that no bytes at all make it throw, hang, or say what is secret. */

import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import * as messages from "../../firmware/protocol/messages.js";
import { TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import * as tokens from "../../firmware/protocol/tokens.js";
import { encodeCommand } from "../../host/apdu.js";
import { readCbor } from "../../host/apdu-tools/cbor-items.js";
import { COMMANDS } from "../../host/apdu-tools/command-table.js";
import { BYTES_KINDS, decodeAs, decodeFound, kindOf } from "../../host/apdu-tools/decode.js";
import { decodeCommandApdu, decodeResponseApdu, nameOf } from "../../host/apdu-tools/decode-apdu.js";
import { diagnostic, parseDiagnostic } from "../../host/apdu-tools/diagnostic.js";
import { HOST_COMMANDS, NOTICES } from "../../host/apdu-tools/message-table.js";
import { hasFault, linesOf } from "../../host/apdu-tools/outline.js";
import type { Exchange } from "../../host/apdu-tools/runner.js";
import { parseSymbolic } from "../../host/apdu-tools/symbolic.js";
import { APPLET_NAMES } from "../../host/applets.js";
import { type CborValue, encode } from "../../host/codec/cbor.js";
import { saysExtendedLength } from "../../host/transports/atr.js";
import { answerToReset } from "../../simulator/card/atr.js";
import { AgentWorld } from "../support/agents.js";
import { trade } from "../support/purchase.js";
import { examplesIn, readDocument } from "./document.js";
import { documentWorld } from "./document-world.js";

const HIDE = { secrets: false };
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
const text = (step: Parameters<typeof linesOf>[0]) => linesOf(step).join("\n");

/** Every command and answer of the examples, and what they fit to. */
let exchanges: Exchange[];

beforeAll(async () => {
  exchanges = [];
  const world = await documentWorld();
  for (const line of examplesIn(readDocument()).flatMap(({ lines }) => lines)) {
    const outcome = await world.runner.take(line);
    if (outcome.kind !== "exchange") continue;
    world.heard(outcome.exchange);
    exchanges.push(outcome.exchange);
  }
});

const contextOf = ({ applet }: Exchange) => (applet === undefined ? HIDE : { ...HIDE, applet });

describe("what chips say", () => {
  test("every answer of a chip is understood to its last byte", () => {
    const wrong = exchanges
      // An answer in parts is read when it is whole.
      .filter(({ command }) => command[1] !== 0xc0)
      .map((each) => decodeResponseApdu(each.response, contextOf(each), each.command))
      .filter(hasFault)
      .map(text);
    expect(wrong).toEqual([]);
    expect(exchanges.length).toBeGreaterThan(90);
  });

  test("every good command is, too", () => {
    const good = exchanges.filter(({ status }) => status === 0x9000 || status >> 8 === 0x91);
    const wrong = good
      .map((each) => decodeCommandApdu(each.command, contextOf(each)))
      .filter(hasFault)
      .map(text);
    expect(wrong).toEqual([]);
  });

  test("a command of the host in an envelope", () => {
    const apdu = encodeCommand(parseSymbolic("ENVELOPE host host PAY [250, 840, 2, h'6c756e6368']", true));
    expect(text(decodeCommandApdu(apdu, HIDE))).toMatch(
      /ENVELOPE\n.*from: 0 \(host\)\n\s+kind: 1 \(host\)\n\s+command: PAY \(10\)\n\s+amount: 250\n\s+currency: 840 \(USD\)\n\s+exponent: 2\n\s+memo: "lunch"/s,
    );
  });

  test("a notice with the sentence of its reason; a sealed message says how long it is", () => {
    const notice = decodeResponseApdu(hex("00 01 84 02 18 7B F4 F6 90 00"), HIDE, hex("80 12 00 00 00"));
    expect(text(notice)).toMatch(/notice: ABORTED \(2\)\n\s+reason: 123 \(There is not enough money in the chip\./);
    const sealed = decodeResponseApdu(hex("03 03 01 02 03 04 05 90 00"), HIDE, hex("80 12 00 00 00"));
    expect(text(sealed)).toMatch(/to: 3 \(peer\)\n\s+kind: 3 \(sealed\)\n\s+sealed message: 5 bytes/);
  });

  test("a number that two applets use is read as the applet's own", () => {
    const terms = hex("00 01 86 18 22 01 19 01 F4 19 03 48 02 61 62 90 00");
    const agent = decodeResponseApdu(terms, { ...HIDE, applet: "trusted-agent" }, hex("80 12 00 00 00"));
    expect(text(agent)).toContain("notice: TERMS (34)");
  });

  test("every message of a purchase, from its first envelope to its last, and of the money before it", async () => {
    const world = new AgentWorld("decode a purchase");
    const registry = await world.authority("Registry");
    const bank = await world.authority("First Bank");
    const merchant = await world.merchant("Corner Shop", registry);
    const customer = await world.customer("Alice", bank);
    await world.fund([merchant, "USD 100.00"]);
    await trade(world, customer, merchant, { type: TYPE_PURCHASE });
    const addresses = ["host", "agent", "module", "peer"];
    const shown = world.envelopes.flatMap(({ from, to, kind, body, element }) => {
      const applet = element === "agent" ? ("trusted-agent" as const) : ("money-module" as const);
      const context = { ...HIDE, applet };
      const isSaid = from === element;
      const bytes = Uint8Array.of(addresses.indexOf(isSaid ? to : from), kind, ...body);
      return decodeAs(isSaid ? "envelope-from" : "envelope-to", bytes, context);
    });
    expect(shown.filter(hasFault).map(text)).toEqual([]);
    const all = shown.map(text).join("\n");
    for (const word of ["handshake", "sealed message", "random bytes", "the key of agents and modules"]) {
      expect(all).toContain(word);
    }
    for (const notice of ["AUTHORIZE", "TERMS", "CARDS", "CONFIRM RECEIPT", "OUTCOME", "SENT", "ACQUIRED", "GRANT"]) {
      expect(all).toMatch(new RegExp(`notice: ${notice} \\(`));
    }
    for (const name of ["CHOOSE", "AUTHORIZED", "WITHDRAW", "LISTEN", "TERMS"]) {
      expect(all).toMatch(new RegExp(`command: ${name} \\(`));
    }
    // What every item is: only what an authority grants is as long as its ticket wants.
    const unnamed = shown.map(text).filter((each) => /item \d/.test(each) && !each.includes("command: GRANT"));
    expect(unnamed).toEqual([]);
  });

  test("a certificate chain, as far as a person wants to know", () => {
    const chain = exchanges.find(({ command }) => nameOf(header(command)) === "GET DATA chain") as Exchange;
    const shown = text(decodeResponseApdu(chain.response, HIDE, chain.command));
    expect(shown).toMatch(/DF02 chain: \d+ bytes\n\s+device: COSE_Sign1/);
    expect(shown).toContain("protected header: {1: -8} (EdDSA)");
    expect(shown).toContain("role: 17 (money module)");
    expect(shown).toContain("role: 23 (modules' security server)");
  });

  test("tries are a sentence, and so is what a command does not have", () => {
    expect(text(decodeResponseApdu(hex("63C3"), HIDE, hex("00 20 00 81")))).toContain(
      "63C3 (the PIN was not verified; 3 tries are left)",
    );
    expect(text(decodeResponseApdu(hex("6C4F"), HIDE, hex("00 C0 00 00 00")))).toContain("79 bytes");
    expect(text(decodeResponseApdu(hex("63C2"), HIDE, hex("00 20 00 81 04 30 30 30 30")))).toMatch(
      /63C2 \(The PIN is wrong; 2 tries are left/,
    );
    expect(text(decodeCommandApdu(hex("00 CA DF 7F 00"), HIDE))).toMatch(
      /not right from here: the command has no such form/,
    );
  });

  test.each(["T=0", "T=1"] as const)("the card's answer to reset, %s", (protocol) => {
    const shown = text(decodeFound(answerToReset(protocol), HIDE).step);
    expect(shown).toContain("selection by full name, short file identifiers, record numbers, command chaining");
    expect(shown).toContain('issuer: "TALLY"');
    expect(shown).toMatch(
      protocol === "T=1" ? /extended length, 4 logical channels/ : /command chaining, 4 logical channels/,
    );
    const broken = answerToReset(protocol).slice(0, -1);
    expect(hasFault(decodeAs("atr", broken, HIDE))).toBe(true);
  });

  test("a wrong check byte of an answer to reset is told", () => {
    const atr = answerToReset("T=1");
    atr[atr.length - 1] = (atr.at(-1) ?? 0) ^ 1;
    for (const found of [decodeAs("atr", atr, HIDE), decodeFound(atr, HIDE).step]) {
      expect(text(found)).toContain("answer to reset: 3B 8B");
      expect(text(found)).toMatch(/TCK: 37\n\s+!! not right from here: the check byte is wrong/);
      expect(hasFault(found)).toBe(true);
    }
  });

  test("what only begins as an answer to reset is not taken for one", () => {
    const atr = answerToReset("T=1");
    for (const bytes of [atr.slice(0, -1), Uint8Array.of(...atr, 0), atr.slice(0, 9)]) {
      expect(decodeFound(bytes, HIDE).kind).not.toBe("atr");
    }
  });

  test("historical bytes with a status behind them", () => {
    const atr = Uint8Array.of(0x3b, 0x08, 0x00, 0x73, 0x80, 0x01, 0x40, 0x05, 0x90, 0x00);
    expect(text(decodeFound(atr, HIDE).step)).toContain("capabilities: selection by full name, extended length");
    expect(saysExtendedLength(atr)).toBe(true);
  });

  test("a value that ends too early in the historical bytes is told", () => {
    const atr = Uint8Array.of(0x3b, 0x03, 0x80, 0x73, 0x80);
    expect(text(decodeFound(atr, HIDE).step)).toContain("it ends within its value");
  });
});

test.each([
  ["COMMAND_", HOST_COMMANDS],
  ["NOTICE_", NOTICES],
] as const)("every %s of the firmware is in the table, by its name", (prefix, table) => {
  const ofFirmware = Object.entries({ ...messages, ...tokens }).flatMap(([name, value]): [number, string][] =>
    name.startsWith(prefix) ? [[Number(value), name.slice(prefix.length).replaceAll("_", " ")]] : [],
  );
  const byNumber = (a: readonly [number, string], b: readonly [number, string]) => a[0] - b[0];
  expect(table.map(({ number, name }) => [number, name] as [number, string]).sort(byNumber)).toEqual(
    ofFirmware.sort(byNumber),
  );
});

function header([cla = 0, ins = 0, p1 = 0, p2 = 0]: Uint8Array) {
  return { cla, ins, p1, p2 };
}

describe("secrets", () => {
  const digits = "847261";
  const typed = [
    `VERIFY ${digits}`,
    `CHANGE REFERENCE DATA ${digits} 1111`,
    `RESET RETRY COUNTER ${digits} 1111`,
    `STORE DATA pin ${digits}`,
    `STORE DATA puk ${digits}`,
    `PUT DATA limit ${digits} USD 1 2`,
  ];

  test.each(typed)("%s: shown only when asked for", (command) => {
    const apdu = encodeCommand(parseSymbolic(command, true));
    expect(text(decodeCommandApdu(apdu, HIDE))).not.toMatch(/847261|38 ?34 ?37 ?32/i);
    expect(text(decodeCommandApdu(apdu, { secrets: true }))).toContain(digits);
  });

  test("nor in what is nearly such a command: another class, other reference data, a piece, lengths that do not fit", () => {
    const pin = Buffer.from(digits).toString("hex");
    for (const apdu of [
      `a0200081 06${pin}`,
      `00200001 06${pin}`,
      `10200081 06${pin}`,
      `00200081 09${pin}`,
      `80d80000 06${pin}`,
      `00200081 000006${pin}`,
    ]) {
      expect(text(decodeCommandApdu(hex(apdu), HIDE)), apdu).not.toMatch(/847261|383437/);
    }
  });

  test("a personalisation key", () => {
    const apdu = encodeCommand(parseSymbolic(`PUT KEY ${"5a".repeat(32)}`, true));
    expect(text(decodeCommandApdu(apdu, HIDE))).not.toContain("5a5a");
    expect(text(decodeCommandApdu(apdu, { secrets: true }))).toContain("5a5a");
  });
});

describe("any bytes", () => {
  const context = fc.constantFrom(HIDE, ...APPLET_NAMES.map((applet) => ({ secrets: true, applet })));

  /** Bounded in time and in what is printed, whatever it is given. */
  function decodesEverything(bytes: Uint8Array, given: typeof HIDE): void {
    for (const kind of BYTES_KINDS) linesOf(decodeAs(kind, bytes, given));
    expect(BYTES_KINDS).toContain(kindOf(bytes));
    const lines = linesOf(decodeFound(bytes, given).step);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join("").length).toBeLessThan(400 * (bytes.length + 20));
    expect(lines.join("")).not.toMatch(/\p{Cc}/u);
  }

  test("random", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), context, decodesEverything), { numRuns: 1500 });
  });

  test("that begin as a command does", () => {
    const heads = COMMANDS.flatMap(({ cla, ins, forms }) => forms.map(({ p1, p2 }) => [cla, ins, p1 ?? 1, p2 ?? 1]));
    const apdu = fc
      .tuple(fc.constantFrom(...heads), fc.uint8Array({ maxLength: 120 }))
      .map(([head, rest]) => Uint8Array.of(...head, ...rest));
    fc.assert(
      fc.property(apdu, fc.uint8Array({ maxLength: 200 }), context, (command, response, given) => {
        linesOf(decodeCommandApdu(command, given));
        linesOf(decodeResponseApdu(response, given, command));
      }),
      { numRuns: 1500 },
    );
  });

  test("mutations of what chips really said", () => {
    const mutated = fc
      .record({
        which: fc.nat(),
        at: fc.nat(),
        to: fc.integer({ min: 0, max: 255 }),
        cut: fc.nat(),
        way: fc.constantFrom("change", "cut", "insert", "double"),
      })
      .map(({ which, at, to, cut, way }) => {
        const exchange = exchanges[which % exchanges.length] as Exchange;
        const mutate = (bytes: Uint8Array) => {
          if (way === "cut") return bytes.slice(0, cut % bytes.length);
          if (way === "double") return Uint8Array.of(...bytes, ...bytes);
          const place = at % bytes.length;
          const rest = bytes.subarray(way === "change" ? place + 1 : place);
          return Uint8Array.of(...bytes.subarray(0, place), to, ...rest);
        };
        return { command: mutate(exchange.command), response: mutate(exchange.response), asked: exchange.command };
      });
    fc.assert(
      fc.property(mutated, ({ command, response, asked }) => {
        decodesEverything(command, HIDE);
        decodesEverything(response, HIDE);
        linesOf(decodeResponseApdu(response, HIDE, asked));
      }),
      { numRuns: 600 },
    );
  });

  test("a stranger's text does not move the cursor", () => {
    const shown = text(decodeAs("cbor", encode(["\u009b31m\u202ex\u007f\u001b[2J\u2028"]), HIDE));
    expect(shown).toContain("x");
    expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u);
  });

  test("the worst: nested, endless and very many", () => {
    const bytes = (value: number, length: number) => new Uint8Array(length).fill(value);
    for (const each of [
      bytes(0x81, 6000),
      bytes(0x9f, 6000),
      bytes(0xbf, 6000),
      bytes(0xd8, 6000),
      bytes(0x7f, 6000),
      bytes(0x90, 6000),
      bytes(0x61, 6000),
      bytes(0x3b, 33),
    ]) {
      for (const kind of BYTES_KINDS) linesOf(decodeAs(kind, each, HIDE));
      linesOf(decodeFound(each, HIDE).step);
    }
    expect(readCbor(hex("9bffffffffffffffff00")).fault).toBeDefined();
    expect(readCbor(hex("5bffffffffffffffff00")).fault).toMatch(/announced/);
  });
});

describe("diagnostic notation (RFC 8949, appendix A)", () => {
  test.each([
    ["00", "0"],
    ["1bffffffffffffffff", "18446744073709551615"],
    ["3903e7", "-1000"],
    ["f90000", "0.0"],
    ["f93e00", "1.5"],
    ["fa47c35000", "100000.0"],
    ["fb3ff199999999999a", "1.1"],
    ["f4", "false"],
    ["f7", "undefined"],
    ["f8ff", "simple(255)"],
    ["c11a514b67b0", "1(1363896240)"],
    ["4401020304", "h'01020304'"],
    ["62225c", '"\\"\\\\"'],
    ["8301820203820405", "[1, [2, 3], [4, 5]]"],
    ["a201020304", "{1: 2, 3: 4}"],
    ["9f018202039f0405ffff", "[1, [2, 3], [4, 5]]"],
    ["5f42010243030405ff", "h'0102030405'"],
    ["bf61610161629f0203ffff", '{"a": 1, "b": [2, 3]}'],
  ])("%s is %s", (bytes, shown) => {
    const { item, fault, end } = readCbor(hex(bytes));
    expect(fault).toBeUndefined();
    expect(end).toBe(bytes.length / 2);
    expect(item === undefined ? undefined : diagnostic(item)).toBe(shown);
  });

  test("what an element can be told is read as it is written", () => {
    const value: fc.Arbitrary<CborValue> = fc.letrec<{ value: CborValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.maxSafeInteger(),
        fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
        fc.uint8Array({ maxLength: 60 }),
        fc.stringMatching(/^[ -~]{0,20}$/),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie("value"), { maxLength: 4 }),
      ),
    })).value;
    fc.assert(
      fc.property(value, (given) => {
        const bytes = encode(given);
        const { item } = readCbor(bytes);
        expect(encode(parseDiagnostic(item === undefined ? "" : diagnostic(item)))).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  test.each(["[1", "1 2", "[1,,2]", "h'0'", '{"a": 1}', "undefined", "[".repeat(100)])("%s is refused", (typed) => {
    expect(() => parseDiagnostic(typed)).toThrow(expect.objectContaining({ name: "DiagnosticError" }));
  });
});
