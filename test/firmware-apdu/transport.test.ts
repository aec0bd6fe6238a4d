/**
 * ISO/IEC 7816-4 at the edge of the release firmware: lengths, chaining, GET RESPONSE, what is not known. `docs/APDU.md`.
 */

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as p from "../../firmware/protocol/apdu.js";
import { IO_BYTES } from "../../firmware/protocol/limits.js";
import { concatBytes, fromHex, toHex } from "../../host/codec/bytes.js";
import { command } from "../../host/commands.js";
import { TlvReader } from "../../host/tlv.js";
import { type ModuleDevice, ModuleWorld } from "../support/modules.js";

let world: ModuleWorld;
let alice: ModuleDevice;
let image: Uint8Array;

beforeAll(async () => {
  world = new ModuleWorld("transport");
  alice = await world.module("alice");
  image = alice.simulated.snapshot();
});

beforeEach(() => alice.simulated.restore(image));

/** A command as hexadecimal digits; the answer split into data and status word. */
function send(...parts: (string | Uint8Array)[]): { data: Uint8Array; status: string } {
  const command = concatBytes(
    ...parts.map((part) => (typeof part === "string" ? fromHex(part.replaceAll(" ", "")) : part)),
  );
  const answer = alice.transport.transmit(command);
  return { data: answer.subarray(0, -2), status: toHex(answer.subarray(-2)) };
}

const SELECT = "00a40400 07 f054414c4c5901";
const CHAIN_TAG = "00cadf02";
const DIGEST = "00cadf05";

describe("lengths", () => {
  test.each([
    ["nothing", ""],
    ["three bytes", "00a404"],
    ["Lc beyond the data", "00a40400 08 f054414c4c5901"],
    ["data beyond Lc and Le", "00a40400 05 f054414c4c5901"],
    ["extended form that ends in its length", "00cadf05 0000"],
    ["extended Lc of zero with data behind it", "00a40400 000000 f054414c4c5901"],
    ["extended Lc beyond the data", "00a40400 000008 f054414c4c5901"],
    ["one byte of an extended Le", "00a40400 000007 f054414c4c5901 00"],
  ])("%s: 6700", (_name, command) => expect(send(command).status).toBe("6700"));

  test.each([
    ["case 1 and 3, short", "00cadf05", "6120"],
    ["case 2, short", "00cadf05 00", "9000"],
    ["case 2, short, exact Le", "00cadf05 23", "9000"],
    ["case 2, extended", "00cadf05 000000", "9000"],
    ["case 2, extended, exact Le", "00cadf05 000023", "9000"],
    ["case 4, short", `${SELECT} 00`, "9000"],
    ["case 4, extended", "00a40400 000007 f054414c4c5901 0000", "9000"],
    ["case 4, extended, exact Le", "00a40400 000007 f054414c4c5901 0100", "9000"],
  ])("%s", (_name, command, status) => {
    const expected = status === "6120" ? /^61/ : /^9000$/;
    expect(send(command).status).toMatch(expected);
  });

  test("the longest command that fits the buffer is read, and refused for what it says alone", () => {
    const data = new Uint8Array(IO_BYTES - 7);
    const length = Uint8Array.of(0, data.length >> 8, data.length & 0xff);
    expect(send("00a40400", length, data).status).toBe("6a82");
  });

  test("data where none belongs", () => {
    for (const command of [`${DIGEST} 01 00 00`, "80120000 01 00", "00840000 00"]) {
      expect(send(command).status, command).toBe(command.startsWith("0084") ? "9000" : "6700");
    }
  });
});

describe("classes, instructions, parameters", () => {
  test("every class but 00 and 80, with or without the chaining bit, is refused", () => {
    for (let cla = 0; cla < 256; cla += 1) {
      const { status } = send(Uint8Array.of(cla, 0xca, 0xdf, 0x05, 0));
      if ((cla & 0x6f) !== 0) expect(status, cla.toString(16)).toBe("6e00");
      else if ((cla & 0x10) === 0) expect(status, cla.toString(16)).toBe(cla === 0 ? "9000" : "6d00");
    }
  });

  test("unknown instructions", () => {
    const iso = [0x20, 0x24, 0x2c, 0x46, 0x82, 0x84, 0xa4, 0xb2, 0xc0, 0xca, 0xda];
    const own = [0x10, 0x12, 0xc2, 0xd8, 0xe2, 0xf0];
    for (const [cla, known] of [
      [0, iso],
      [0x80, own],
    ] as const) {
      for (let ins = 0; ins < 256; ins += 1) {
        const { status } = send(Uint8Array.of(cla, ins, 0, 0));
        if (known.includes(ins)) expect(status, ins.toString(16)).not.toBe("6d00");
        else expect(status, ins.toString(16)).toBe("6d00");
      }
    }
  });

  test.each([
    ["SELECT by another method", "00a40000 07 f054414c4c5901", "6b00"],
    ["SELECT next occurrence", "00a40402 07 f054414c4c5901", "6b00"],
    ["SELECT another applet", "00a40400 07 f054414c4c5902", "6a82"],
    ["SELECT part of the AID", "00a40400 06 f054414c4c59", "6a82"],
    ["SELECT more than the AID", "00a40400 08 f054414c4c590100", "6a82"],
    ["SELECT nothing", "00a40400", "6a82"],
    ["VERIFY of the PUK", "00200082 04 31323334", "6b00"],
    ["VERIFY with P1", "00200181 04 31323334", "6b00"],
    ["GET CHALLENGE with P2", "00840001 00", "6b00"],
    ["FETCH with P1 2", "80120200", "6b00"],
    ["FETCH with P2", "80120001", "6b00"],
    ["ENVELOPE with P1", "80c20100 02 0006", "6b00"],
    ["ENVELOPE with P2", "80c20001 02 0006", "6b00"],
    ["OPEN with P1", "80100100 08 0000000000000001", "6b00"],
    ["STORE DATA with P1", "80e20103 04 31323334", "6b00"],
    ["SET STATUS with P1", "80f0010f", "6b00"],
    ["PUT DATA of something else", "00da0103 01 00", "6a88"],
    ["GET DATA of something else", "00cadf06 00", "6a88"],
    ["GET DATA of what a generator issued, at a subscriber", "00cadf12 00", "6a88"],
    ["READ RECORD of an unknown file", "00b2013c 00", "6a82"],
    ["READ RECORD of a ticket, at a module", "00b2011c 00", "6a82"],
    ["READ RECORD by another method", "00b20108 00", "6b00"],
    ["READ RECORD 0 of the log", "00b2000c 00", "6a83"],
    ["READ RECORD 1 of an empty log", "00b2010c 00", "6a83"],
    ["READ RECORD 255 of the notes", "00b2ff14 00", "6a83"],
    ["FETCH when nothing waits", "80120000 00", "6a88"],
    ["FETCH again when nothing was said", "80120100 00", "6a88"],
    ["an envelope without kind", "80c20000 01 00", "6a80"],
    ["an empty envelope", "80c20000", "6a80"],
    ["an envelope of an unknown source", "80c20000 03 090102", "6986"],
    ["an envelope of an unknown kind", "80c20000 03 000902", "6986"],
    ["a timeout when nothing is awaited", "80c20000 02 0006", "6986"],
    ["a link to an agent that it has not", `80c20000 22 0104 ${"00".repeat(32)}`, "6986"],
    ["a sealed message without session", `80c20000 12 0303 ${"00".repeat(16)}`, "6986"],
    ["a command that is no array", "80c20000 03 000101", "6a80"],
    ["an empty command", "80c20000 03 000180", "6a80"],
    ["an unknown command", "80c20000 05 000181 1818", "6a80"],
  ])("%s: %s", (_name, command, status) => expect(send(command).status).toBe(status));
});

describe("command chaining", () => {
  test("a command in links is one command, in short and extended links", () => {
    expect(send("10a40400 03 f05441").status).toBe("9000");
    expect(send("10a40400 000002 4c4c").status).toBe("9000");
    const { data, status } = send("00a40400 02 5901 00");
    expect(status).toBe("9000");
    expect(data[0]).toBe(0x6f);
  });

  test("an interrupted chain is gone: what interrupts it is refused once, then everything works", () => {
    for (const interruption of [`${DIGEST}00`, "10cadf05", "10a40401 02 5901", "90a40400 02 5901"]) {
      expect(send("10a40400 03 f05441").status).toBe("9000");
      expect(send(interruption).status, interruption).toBe("6883");
      expect(send(`${SELECT} 00`).status).toBe("9000");
    }
  });

  test("a wrong class or length in the middle ends the chain", () => {
    for (const [wrong, status] of [
      ["1fa40400 02 5901", "6e00"],
      ["10a40400 09 5901", "6700"],
    ] as const) {
      expect(send("10a40400 03 f05441").status).toBe("9000");
      expect(send(wrong).status).toBe(status);
      expect(send("00a40400 04 4c4c5901 00").status).toBe("6a82");
    }
  });

  test("GET RESPONSE in the middle ends the chain", () => {
    expect(send("10a40400 03 f05441").status).toBe("9000");
    expect(send("00c00000 00").status).toBe("6985");
    expect(send("00a40400 04 4c4c5901 00").status).toBe("6a82");
  });

  test("a chain that grows beyond the buffer is refused, and gone", () => {
    const link = concatBytes(fromHex("10c20000"), Uint8Array.of(255), new Uint8Array(255));
    link[0] = 0x90;
    const statuses = Array.from({ length: 40 }, () => send(link).status);
    expect(statuses.filter((status) => status === "9000").length).toBeGreaterThan(20);
    expect(statuses.filter((status) => status === "6700").length).toBeGreaterThan(0);
    alice.simulated.restore(image);
    expect(send("80c20000 02 0006").status).toBe("6986");
  });

  test("power-off ends a chain", async () => {
    expect(send("10a40400 03 f05441").status).toBe("9000");
    alice.transport.reset();
    expect(send("00a40400 04 4c4c5901 00").status).toBe("6a82");
  });
});

describe("GET RESPONSE", () => {
  test("an answer is fetched in pieces of any size, and is the same", async () => {
    const whole = send(CHAIN_TAG, "000000").data;
    expect(whole.length).toBeGreaterThan(256);
    for (const size of [1, 100, 255, 256]) {
      const le = (size & 0xff).toString(16).padStart(2, "0");
      let { data, status } = send(CHAIN_TAG, le);
      const parts = [data];
      while (status.startsWith("61")) {
        const left = whole.length - concatBytes(...parts).length;
        expect(status).toBe(`61${(left < 256 ? left : 0).toString(16).padStart(2, "0")}`);
        ({ data, status } = send(`00c00000 ${le}`));
        parts.push(data);
      }
      expect(status).toBe("9000");
      expect(concatBytes(...parts)).toEqual(whole);
    }
  });

  test("without Le nothing is given, and nothing lost", () => {
    const { data } = send(DIGEST, "00");
    expect(send(DIGEST)).toEqual({ data: new Uint8Array(0), status: "6123" });
    expect(send("00c00000")).toEqual({ data: new Uint8Array(0), status: "6123" });
    expect(send("00c00000 23")).toEqual({ data, status: "9000" });
    expect(send("00c00000 00").status).toBe("6985");
  });

  test("any other command ends it", () => {
    expect(send(CHAIN_TAG, "00").status).toMatch(/^61/);
    expect(send(`${SELECT} 00`).status).toBe("9000");
    expect(send("00c00000 00").status).toBe("6985");
  });

  test("with data it is refused, and what was left is gone", () => {
    expect(send(CHAIN_TAG, "00").status).toMatch(/^61/);
    expect(send("00c00000 01 00").status).toBe("6700");
    expect(send("00c00000 00").status).toBe("6985");
  });

  test("after power-off there is nothing to give", () => {
    expect(send(CHAIN_TAG, "00").status).toMatch(/^61/);
    alice.transport.reset();
    expect(send("00c00000 00").status).toBe("6985");
  });
});

describe("ENVELOPE", () => {
  const envelope = command.outcome(true);
  const header = concatBytes(Uint8Array.of(0x80, p.INS_ENVELOPE, 0, 0, envelope.length), envelope);
  const FETCH = `80 12 00 00 00`;
  const FETCH_AGAIN = `80 12 01 00 00`;

  test("without Le says that an envelope waits; with Le brings it, and FETCH brings it again", () => {
    const said = send(header);
    expect(said.status).toMatch(/^91/);
    expect(said.data.length).toBe(0);
    const fetched = send(FETCH);
    expect(fetched.status).toBe("9000");
    alice.simulated.restore(image);
    const brought = send(header, "00");
    expect(brought.status).toBe("9000");
    expect(brought.data.length).toBe(fetched.data.length);
    expect(send(FETCH).status).toBe("6a88");
    expect(send(FETCH_AGAIN)).toEqual(brought);
  });

  test("what does not fit Le is fetched by GET RESPONSE", () => {
    const whole = send(header, "00").data;
    alice.simulated.restore(image);
    const first = send(header, "05");
    expect(first.status).toMatch(/^61/);
    expect(first.data.length).toBe(5);
    const rest = send("00c00000 00");
    expect(rest.status).toBe("9000");
    expect(first.data.length + rest.data.length).toBe(whole.length);
  });

  test("that is refused brings nothing", () => {
    expect(send("80c20000 02 0006 00")).toEqual({ data: new Uint8Array(0), status: "6986" });
  });
});

describe("SELECT", () => {
  test("gives the AID and the information, and forgets the PIN", async () => {
    expect(await alice.element.balances()).toEqual([]);
    const { data } = send(`${SELECT} 00`);
    const fci = new TlvReader(new TlvReader(data).bytes(0x6f));
    expect(toHex(fci.bytes(0x84))).toBe("f054414c4c5901");
    const information = new TlvReader(new TlvReader(fci.bytes(0xa5)).bytes(p.TAG_INFORMATION));
    expect(information.number(0x83)).toBe(p.LIFE_OPERATIONAL);
    expect(information.bytes(0x85)).toEqual(alice.element.id);
    expect(information.number(0x87)).toBe(IO_BYTES);
    await expect(alice.element.balances()).rejects.toThrow(/PIN first/);
  });
});
