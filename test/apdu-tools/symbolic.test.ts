/** Commands by name: the bytes that host/element.ts would send, for every command and form of the table. */

import { describe, expect, test } from "vitest";
import { encodeCommand } from "../../host/apdu.js";
import { COMMANDS, findForm } from "../../host/apdu-tools/command-table.js";
import { complete } from "../../host/apdu-tools/completion.js";
import { explained, helpFor } from "../../host/apdu-tools/help.js";
import { SessionError } from "../../host/apdu-tools/session.js";
import { blankTarget } from "../../host/apdu-tools/simulated-cards.js";
import { parseSymbolic } from "../../host/apdu-tools/symbolic.js";
import { command } from "../../host/commands.js";
import { Element } from "../../host/element.js";
import type { Transport } from "../../host/transport.js";
import { parseMoney } from "../../host/units.js";

const bytes = (text: string, extended = true) =>
  Buffer.from(encodeCommand(parseSymbolic(text, extended))).toString("hex");

/** What the typed client sends; the card says yes to everything. */
async function sentBy(work: (element: Element) => Promise<unknown>): Promise<string[]> {
  const sent: string[] = [];
  const { transport: chip } = blankTarget("money-module", "1");
  const transport: Transport = {
    name: "a card that says yes",
    extendedLength: true,
    transmit: (apdu) => {
      sent.push(Buffer.from(apdu).toString("hex"));
      return apdu[1] === 0xa4 ? chip.transmit(apdu) : Uint8Array.of(0x90, 0);
    },
    reset: () => undefined,
    close: () => undefined,
  };
  const element = await Element.select(transport, 1);
  sent.length = 0;
  await work(element).catch(() => undefined);
  return sent;
}

describe("what is typed is what the client sends", () => {
  const limit = { unit: parseMoney("USD 1").unit, payment: 500n, day: 1250n };
  test.each<[string, (element: Element) => Promise<unknown>]>([
    ["SELECT money-module", (e) => e.select()],
    ["select Money-Module", (e) => e.select()],
    ["VERIFY 123456", (e) => e.verifyPin("123456")],
    ["VERIFY", (e) => e.pinTriesLeft()],
    ["CHANGE REFERENCE DATA 123456 7890", (e) => e.changePin("123456", "7890")],
    ["RESET RETRY COUNTER 12345678 7890", (e) => e.unblockPin("12345678", "7890")],
    ["OPEN 1800000000", (e) => e.open(1_800_000_000n)],
    ["open 2027-01-15T08:00:00Z", (e) => e.open(1_800_000_000n)],
    ["PUT DATA limit 1234 USD 5.00 12.50", (e) => e.setLimit("1234", limit)],
    ["PUT DATA list 0102", (e) => e.putList(Uint8Array.of(1, 2))],
    ["GET DATA balance", (e) => e.balances()],
    ["get data CHAIN", (e) => e.chain()],
    ["READ RECORD log 3", (e) => e.record(1, 3)],
    ["READ RECORD notes 255", (e) => e.record(2, 255)],
    ["FETCH again", (e) => e.fetchAgain()],
    ["ENVELOPE host host PAY [250, 840, 2, null]", async (e) => e.deliver(command.pay(parseMoney("USD 2.50"), null))],
    ["ENVELOPE host host [5]", async (e) => e.deliver(command.listen())],
    ["ENVELOPE host host LISTEN", async (e) => e.deliver(command.listen())],
    ["ENVELOPE 00018105", async (e) => e.deliver(command.listen())],
    ["ENVELOPE host timeout", async (e) => e.deliver(Uint8Array.of(0, 6))],
    [`PUT KEY ${"5a".repeat(32)}`, (e) => e.putKey(new Uint8Array(32).fill(0x5a))],
    ["GET CHALLENGE", (e) => e.challenge()],
    ["EXTERNAL AUTHENTICATE 01 02", (e) => e.externalAuthenticate(Uint8Array.of(1, 2))],
    ["STORE DATA pin 1234", (e) => e.storeData(3, new TextEncoder().encode("1234"))],
    ["STORE DATA parameters []", (e) => e.storeData(5, Uint8Array.of(0x80))],
    ["SET STATUS operational", (e) => e.setStatus(15)],
  ])("%s", async (typed, work) => {
    expect(bytes(typed)).toBe((await sentBy(work))[0]);
  });

  test("channels are in the class", () => {
    expect(bytes("MANAGE CHANNEL open")).toBe("0070000000");
    expect(bytes("MANAGE CHANNEL open 2")).toBe("00700002");
    expect(bytes("MANAGE CHANNEL close 2")).toBe("00708002");
    expect(bytes("SELECT purse on 1")).toBe("01a4040007f054414c4c590300");
    expect(bytes("FETCH on 3", false)).toBe("8312000000");
  });

  test("where long answers cannot be asked for, the longest short one is", () => {
    expect(bytes("GET DATA balance", false)).toBe("00cadf1000");
    expect(bytes("GET DATA balance", true)).toBe("00cadf10000000");
  });
});

test.each([
  "GET",
  "GET DATA",
  "GET DATA nothing",
  "GET DATA balance 5",
  "READ RECORD log",
  "READ RECORD log 256",
  "READ RECORD 1",
  "VERIFY 12x4",
  "VERIFY 1234567890123",
  "CHANGE REFERENCE DATA 1234",
  "OPEN yesterday",
  "PUT DATA limit 1234 USD 5.00",
  "ENVELOPE host",
  "ENVELOPE host host NOTHING",
  "ENVELOPE host host PAY [1",
  "PUT KEY xyz",
  "SET STATUS blank",
  "MANAGE CHANNEL close",
])("%s makes no sense, and says so", (typed) => {
  expect(() => parseSymbolic(typed, true)).toThrow(SessionError);
});

test("digits that are wrong are not repeated in the message", () => {
  expect(() => parseSymbolic("VERIFY 98765x", true)).toThrow(
    expect.not.objectContaining({ message: expect.stringContaining("98765") }),
  );
});

describe("help and completion come from the table", () => {
  test("help knows every command, form, instruction and status word", () => {
    const list = helpFor("")?.join("\n");
    for (const entry of COMMANDS) {
      expect(list).toContain(entry.name);
      expect(helpFor(entry.name)?.[0]).toContain(entry.name);
      for (const form of entry.forms) {
        if (form.name !== "") expect(helpFor(`${entry.name} ${form.name}`), form.name).toBeDefined();
      }
      expect(explained(entry.ins.toString(16).padStart(2, "0"))?.join("\n")).toContain(entry.name);
      for (const { status, why } of entry.statuses) {
        expect(explained(status.toString(16))?.join("\n")).toContain(why);
      }
    }
    expect(helpFor("GET DATA balance")?.join("\n")).toContain("spendable");
    expect(explained("DF13")?.join("\n")).toContain("spent today");
    expect(explained("reason 123")?.[0]).toContain("not enough money");
    expect(explained("63C2")?.join("\n")).toContain("2 tries are left");
    expect(explained("pay notes")?.[0]).toContain("[17, places, memo]");
    expect(helpFor("nonsense")).toBeUndefined();
  });

  test("what completes is understood", () => {
    const [commands] = complete("GET DATA ", []);
    expect(commands).toContain("GET DATA balance");
    for (const each of commands)
      expect(
        findForm(
          COMMANDS.find(({ name }) => name === "GET DATA") as never,
          parseSymbolic(each, true).p1,
          parseSymbolic(each, true).p2,
        ),
      ).toBeDefined();
    expect(complete("sel", [])[0]).toEqual(["SELECT "]);
    expect(complete("SELECT F", [])[0]).toContain("SELECT F0 54 41 4C 4C 59 01");
    for (const each of complete("SELECT ", [])[0]) parseSymbolic(each, true);
    expect(complete("@", ["agent", "module"])[0]).toEqual(["@agent", "@module"]);
    expect(complete("ENVELOPE host host P", [])[0]).toContain("ENVELOPE host host PAY [");
    expect(complete("help GET D", [])[0]).toEqual(["help GET DATA"]);
  });
});
