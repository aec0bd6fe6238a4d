import { connect, type Socket } from "node:net";
import { inspect } from "node:util";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { systemTimers, type Timers } from "../../host/services/clock.js";
import {
  decodeMessage,
  encodeMessage,
  IsoFormatError,
  IsoMessage,
  MESSAGE_BYTES_MAX,
  maskPan,
} from "../../host/services/iso8583/codec.js";
import {
  FIELD_NUMBERS,
  FIELDS,
  type IsoFields,
  MESSAGE_TYPES,
  type MessageType,
} from "../../host/services/iso8583/fields.js";
import { FrameReader, frame, IsoServer, SERVER_LIMITS, type ServerEvent } from "../../host/services/iso8583/framing.js";

const PAN = "4000001234567899";

/** Messages and the bytes that another implementation (npm iso_8583 2.6.7) makes of them, framing included. */
const FOREIGN: [MessageType, IsoFields, string][] = [
  [
    "0100",
    {
      2: PAN,
      3: "000000",
      4: "000000010000",
      7: "1121113000",
      11: "000123",
      12: "113000",
      13: "1121",
      14: "2812",
      32: "12345",
      41: "TERM0001",
      42: "MERCHANT0000001",
      43: "The Corner Shop       Lausanne      CH  ",
      49: "978",
      70: "301",
    },
    "00a230313030f23c000100e08000040000000000000031363430303030303132333435363738393930303030303030303030" +
      "3030303130303030313132313131333030303030303132333131333030303131323132383132303531323334355445524d30" +
      "3030314d45524348414e543030303030303154686520436f726e65722053686f70202020202020204c617573616e6e652020" +
      "2020202043482020393738333031",
  ],
  [
    "0420",
    {
      3: "000000",
      4: "000000010000",
      7: "1121113000",
      11: "000124",
      32: "12345",
      49: "978",
      90: "010000012311211130000000001234500000000000",
    },
    "006a30343230b2200001000080000000004000000000303030303030303030303030303130303030313132313131333030303030303132" +
      "3430353132333435393738303130303030303132333131323131313330303030303030303031323334353030303030303030303030",
  ],
  [
    "0800",
    { 7: "1121113000", 11: "000001", 32: "12345", 70: "001" },
    "002e30383030822000010000000004000000000000003131323131313330303030303030303130353132333435303031",
  ],
];

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Any well-formed message. */
const anyMessage = fc
  .tuple(
    fc.constantFrom(...(Object.keys(MESSAGE_TYPES) as MessageType[])),
    fc.subarray(FIELD_NUMBERS).chain((numbers) => fc.tuple(...numbers.map((number) => anyField(number)))),
  )
  .map(([type, entries]) => new IsoMessage(type, Object.fromEntries(entries) as IsoFields));

function anyField(number: keyof typeof FIELDS): fc.Arbitrary<[number, string | Uint8Array]> {
  const { content, prefix, length_max } = FIELDS[number];
  const length = { minLength: prefix === 0 ? length_max : 1, maxLength: Math.min(length_max, 64) };
  const unit = content === "digits" ? fc.constantFrom(..."0123456789") : fc.constantFrom(..." AZaz09-*/~");
  const value = content === "bytes" ? fc.uint8Array(length) : fc.string({ unit, ...length });
  return value.map((made) => [number, made]);
}

describe("ISO 8583 codec", () => {
  it("makes the bytes that another implementation makes", () => {
    for (const [type, fields, expected] of FOREIGN) {
      const framed = frame(encodeMessage(new IsoMessage(type, fields)));
      expect(hex(framed)).toBe(expected);
      expect(decodeMessage(framed.slice(2)).fields).toEqual(fields);
    }
  });

  it("gives every message back as it was", () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const decoded = decodeMessage(encodeMessage(message));
        expect(decoded.type).toBe(message.type);
        expect(decoded.fields).toEqual(message.fields);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it("refuses every message that is cut off or goes on", () => {
    for (const [type, fields] of FOREIGN) {
      const bytes = encodeMessage(new IsoMessage(type, fields));
      for (let length = 0; length < bytes.length; length++) {
        expect(() => decodeMessage(bytes.slice(0, length))).toThrow(IsoFormatError);
      }
      expect(() => decodeMessage(Buffer.concat([bytes, Buffer.from([0x30])]))).toThrow("follow the last field");
    }
  });

  it("accepts of altered bytes only what encodes to the same bytes again", () => {
    fc.assert(
      fc.property(
        anyMessage,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (message, edits) => {
          const bytes = encodeMessage(message);
          for (const [position, value] of edits) bytes[position % bytes.length] = value;
          try {
            expect(hex(encodeMessage(decodeMessage(bytes)))).toBe(hex(bytes));
          } catch (error) {
            if (!(error instanceof IsoFormatError)) throw error;
          }
        },
      ),
      { seed: 2, numRuns: 1000 },
    );
  });

  it("refuses unknown types, unused fields, an idle second bitmap, letters for digits, wrong lengths", () => {
    const plain = encodeMessage(new IsoMessage("0800", { 11: "000001" }));
    const text = Buffer.from(plain);
    expect(() => decodeMessage(Buffer.concat([Buffer.from("0801"), text.subarray(4)]))).toThrow("unknown message type");
    const unused = Buffer.from(plain);
    unused[4] = 0x08; // field 5
    expect(() => decodeMessage(unused)).toThrow("field 5 is not used");
    const idle = Buffer.concat([text.subarray(0, 12), Buffer.alloc(8), text.subarray(12)]);
    idle[4] = (idle[4] as number) | 0x80;
    expect(() => decodeMessage(idle)).toThrow("empty second bitmap");
    expect(() => encodeMessage(new IsoMessage("0800", { 11: "00000x" }))).toThrow("not digits");
    expect(() => encodeMessage(new IsoMessage("0800", { 11: "1" }))).toThrow("field 11");
    expect(() => encodeMessage(new IsoMessage("0100", { 48: new Uint8Array(1000) }))).toThrow("field 48");
    expect(() => encodeMessage(new IsoMessage("0100", { 2: "" }))).toThrow("field 2");
  });

  it("refuses variable fields of no length, of too much, and of a length that is no number", () => {
    const digits = "0".repeat(30);
    for (const [length, rest] of [
      ["00", ""],
      ["20", digits.slice(0, 20)],
      ["+3", "000"],
      [" 3", "000"],
    ] as const) {
      const head = Buffer.concat([Buffer.from("0100"), Buffer.from([0x40, 0, 0, 0, 0, 0, 0, 0])]);
      expect(() => decodeMessage(Buffer.concat([head, Buffer.from(length + rest)]))).toThrow("the length of field 2");
    }
  });

  it("masks account numbers however a message is printed", () => {
    const message = new IsoMessage("0100", { 2: PAN, 14: "2812", 48: new Uint8Array(3) });
    for (const shown of [
      String(message),
      `${message}`,
      inspect(message),
      inspect([message]),
      JSON.stringify({ message }),
    ]) {
      expect(shown).not.toContain(PAN);
      expect(shown).not.toContain("2812");
      expect(shown).toContain("400000******7899");
    }
    expect(maskPan("12345678")).toBe("******78");
    expect(maskPan("1")).toBe("1");
    expect(() => encodeMessage(new IsoMessage("0100", { 2: `${PAN}9999x` }))).not.toThrow(PAN);
  });
});

describe("ISO 8583 framing", () => {
  it("finds the frames however the stream is cut", () => {
    const messages = [1, 2, MESSAGE_BYTES_MAX, 300].map((length) => new Uint8Array(length).fill(length));
    const stream = Buffer.concat(messages.map(frame));
    for (const step of [1, 2, 3, 7, 1000, stream.length]) {
      const reader = new FrameReader();
      const found: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += step) found.push(...reader.push(stream.subarray(at, at + step)));
      expect(found.map(hex)).toEqual(messages.map(hex));
      expect(reader.unfinished).toBe(false);
    }
  });

  it("refuses an empty frame and one above the limit at once", () => {
    expect(() => [...new FrameReader().push(Buffer.from([0, 0]))]).toThrow(IsoFormatError);
    expect(() => [...new FrameReader().push(Buffer.from([0x10, 0x01]))]).toThrow("4097");
  });
});

describe("ISO 8583 server", () => {
  const open: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });

  /** Timers that run when the test says so, by their delay. */
  class HandTimers implements Timers {
    readonly waiting = new Set<() => void>();
    after(_delay_ms: number, call: () => void): () => void {
      this.waiting.add(call);
      return () => this.waiting.delete(call);
    }
  }

  async function server(limits = SERVER_LIMITS, timers: Timers = systemTimers) {
    const events: ServerEvent[] = [];
    const wakers: (() => void)[] = [];
    const echo = new IsoServer({
      responder: () => async (message) => new IsoMessage("0810", { 11: message.fields[11] ?? "000000" }),
      timers,
      limits,
      onEvent: (event) => {
        events.push(event);
        for (const wake of wakers.splice(0)) wake();
      },
    });
    const port = await echo.listen(0);
    open.push(echo);
    const seen = async (event: ServerEvent) => {
      while (!events.includes(event)) await new Promise<void>((resolve) => wakers.push(resolve));
    };
    return { port, seen, events };
  }

  async function client(
    port: number,
  ): Promise<{ socket: Socket; closed: Promise<void>; next: () => Promise<Uint8Array> }> {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    open.push({ close: () => socket.destroy() });
    const frames: Uint8Array[] = [];
    const waiting: ((bytes: Uint8Array) => void)[] = [];
    const reader = new FrameReader();
    socket.on("data", (chunk) => {
      for (const bytes of reader.push(chunk)) {
        const first = waiting.shift();
        if (first === undefined) frames.push(bytes);
        else first(bytes);
      }
    });
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const next = async () => frames.shift() ?? new Promise<Uint8Array>((resolve) => waiting.push(resolve));
    return { socket, closed, next };
  }

  const echoRequest = (stan: string) => frame(encodeMessage(new IsoMessage("0800", { 11: stan })));

  it("answers messages in order, however they arrive", async () => {
    const { port } = await server();
    const { socket, next } = await client(port);
    const stans = Array.from({ length: 50 }, (_, index) => String(index).padStart(6, "0"));
    for (const byte of echoRequest("900000")) socket.write(Buffer.from([byte]));
    socket.write(Buffer.concat(stans.map(echoRequest)));
    for (const stan of ["900000", ...stans]) expect(decodeMessage(await next()).fields[11]).toBe(stan);
  });

  it("closes a connection that sends garbage, and serves the others", async () => {
    const { port, seen } = await server();
    const good = await client(port);
    for (const garbage of ["GET / HTTP/1.1\r\n\r\n", "\0\0", "\0\u0004zzzz"]) {
      const bad = await client(port);
      bad.socket.write(garbage);
      await bad.closed;
    }
    await seen("garbage");
    good.socket.write(echoRequest("000007"));
    expect(decodeMessage(await good.next()).fields[11]).toBe("000007");
  });

  it("closes a half-open connection and one that is silent", async () => {
    const { port, seen } = await server({ ...SERVER_LIMITS, idle_ms_max: 20 });
    const { closed } = await client(port);
    await closed;
    await seen("idle");
  });

  it("closes a connection whose frame never ends", async () => {
    const timers = new HandTimers();
    const { port, seen } = await server(SERVER_LIMITS, timers);
    const { socket, closed, next } = await client(port);
    socket.write(echoRequest("000001"));
    await next();
    expect(timers.waiting.size).toBe(0);
    socket.write(Buffer.concat([echoRequest("000002"), Buffer.from([0])]));
    await next();
    while (timers.waiting.size === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const fire of timers.waiting) fire();
    await closed;
    await seen("slow-frame");
  });

  it("turns away connections above the limit", async () => {
    const { port, seen } = await server({ ...SERVER_LIMITS, connections_max: 1 });
    const first = await client(port);
    first.socket.write(echoRequest("000001"));
    await first.next();
    const second = await client(port);
    await second.closed;
    await seen("turned-away");
    first.socket.write(echoRequest("000002"));
    expect(decodeMessage(await first.next()).fields[11]).toBe("000002");
  });
});
