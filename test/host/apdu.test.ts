import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ApduClient,
  ApduFormatError,
  type Command,
  chainedCommands,
  decodeCommand,
  decodeResponse,
  encodeCommand,
  encodeResponse,
} from "../../host/apdu.js";
import { StatusWordError, statusSentence } from "../../host/status-words.js";
import type { Transport } from "../../host/transport.js";

const byte = fc.integer({ min: 0, max: 255 });
const lengths = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(255, 256, 257, 7168, 65_535));
const answers = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(256, 257, 65_535, 65_536));

const commands: fc.Arbitrary<Command> = fc
  .record({ cla: byte, ins: byte, p1: byte, p2: byte, length: lengths, answer: answers, fill: byte })
  .map(({ length, answer, fill, ...header }) => ({
    ...header,
    ...(length > 0 ? { data: new Uint8Array(length).fill(fill) } : {}),
    ...(answer > 0 ? { answerBytesMax: answer } : {}),
  }));

describe("ISO/IEC 7816-4 command APDUs", () => {
  test("what is encoded is decoded, in all cases and both forms", () => {
    fc.assert(
      fc.property(commands, fc.boolean(), (command, extended) => {
        const again = decodeCommand(encodeCommand(command, extended ? "extended" : undefined));
        expect({ ...again, data: again.data?.length }).toEqual({ ...command, data: command.data?.length });
        expect(Buffer.from(again.data ?? []).equals(Buffer.from(command.data ?? []))).toBe(true);
      }),
    );
  });

  test("the seven forms have the bytes of the standard", () => {
    const header = { cla: 0x80, ins: 0xc2, p1: 1, p2: 2 };
    const data = Uint8Array.of(0xaa, 0xbb);
    const hex = (command: Command, form?: "extended") => Buffer.from(encodeCommand(command, form)).toString("hex");
    expect(hex(header)).toBe("80c20102");
    expect(hex({ ...header, answerBytesMax: 256 })).toBe("80c2010200");
    expect(hex({ ...header, data })).toBe("80c2010202aabb");
    expect(hex({ ...header, data, answerBytesMax: 16 })).toBe("80c2010202aabb10");
    expect(hex({ ...header, answerBytesMax: 65_536 })).toBe("80c20102000000");
    expect(hex({ ...header, data }, "extended")).toBe("80c20102000002aabb");
    expect(hex({ ...header, data, answerBytesMax: 257 })).toBe("80c20102000002aabb0101");
  });

  test("bytes that are no command are refused, never misread", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        let command: Command;
        try {
          command = decodeCommand(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ApduFormatError);
          return;
        }
        const again = [encodeCommand(command)];
        again.push(encodeCommand(command, "extended"));
        expect(again.map((form) => Buffer.from(form).toString("hex"))).toContain(Buffer.from(bytes).toString("hex"));
      }),
    );
  });

  test("arguments that fit no APDU are named", () => {
    expect(() => encodeCommand({ cla: 256, ins: 0, p1: 0, p2: 0 })).toThrow(/command\.cla/);
    expect(() => encodeCommand({ cla: 0, ins: 0, p1: 0, p2: 0, answerBytesMax: 65_537 })).toThrow(/answerBytesMax/);
    expect(() => encodeCommand({ cla: 0, ins: 0, p1: 0, p2: 0, data: new Uint8Array(65_536) })).toThrow(/data/);
  });

  test("responses come back as they were", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.integer({ min: 0, max: 0xffff }), (data, status) => {
        expect(decodeResponse(encodeResponse({ data, status }))).toEqual({ data, status });
      }),
    );
    expect(() => decodeResponse(Uint8Array.of(0x90))).toThrow(ApduFormatError);
  });
});

/** A card that echoes data, behind a reader that takes only short APDUs: an ideal model of chaining and GET RESPONSE. */
class EchoCard implements Transport {
  readonly name = "echo card";
  readonly log: Command[] = [];
  #command: number[] = [];
  #answer: number[] = [];

  constructor(
    readonly extendedLength: boolean,
    private readonly wrongLe = false,
  ) {}

  transmit(apdu: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const command = decodeCommand(apdu);
    this.log.push(command);
    const response = this.#answerTo(command);
    return this.log.length % 2 === 0 ? Promise.resolve(response) : response;
  }

  #answerTo(command: Command): Uint8Array {
    if (command.ins !== 0xc0) {
      this.#command.push(...(command.data ?? []));
      if ((command.cla & 0x10) !== 0) return encodeResponse({ data: new Uint8Array(0), status: 0x9000 });
      this.#answer = this.#command;
      this.#command = [];
    }
    const room = command.answerBytesMax ?? 0;
    if (this.wrongLe && this.#answer.length > 0 && this.#answer.length < room && this.#answer.length < 256) {
      const status = 0x6c00 | this.#answer.length;
      this.#command = this.#answer;
      return encodeResponse({ data: new Uint8Array(0), status });
    }
    const data = Uint8Array.from(this.#answer.splice(0, room));
    const left = this.#answer.length;
    return encodeResponse({ data, status: left === 0 ? 0x9105 : 0x6100 | (left > 255 ? 0 : left) });
  }

  reset(): void {}
  close(): void {}
}

describe("the client", () => {
  test("short-length readers: any data goes in by chaining and comes out by GET RESPONSE", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (data) => {
        const card = new EchoCard(false);
        const command = { cla: 0x80, ins: 0xc2, p1: 0, p2: 0, data, answerBytesMax: 65_536 };
        const answer = await new ApduClient(card).send(command);
        expect(answer).toEqual({ data, status: 0x9105 });
        expect(card.log.every((piece) => (piece.data?.length ?? 0) <= 255)).toBe(true);
      }),
    );
  });

  test("extended-length readers: one command, one answer", async () => {
    const card = new EchoCard(true);
    const data = new Uint8Array(5000).fill(7);
    const answer = await new ApduClient(card).send({ cla: 0x80, ins: 1, p1: 0, p2: 0, data, answerBytesMax: 65_536 });
    expect(answer.data).toEqual(data);
    expect(card.log).toHaveLength(1);
  });

  test("concurrent callers do not break into each other's chains", async () => {
    const client = new ApduClient(new EchoCard(false));
    const messages = [700, 3, 1200, 256, 0, 255].map((length, i) => new Uint8Array(length).fill(i + 1));
    const answers = await Promise.all(
      messages.map((data) => client.send({ cla: 0x80, ins: 1, p1: 0, p2: 0, data, answerBytesMax: 65_536 })),
    );
    expect(answers.map((answer) => answer.data)).toEqual(messages);
  });

  test("6Cxx: the command once more with the Le that the card names", async () => {
    const card = new EchoCard(true, true);
    const data = Uint8Array.of(1, 2, 3);
    const client = new ApduClient(card);
    const exchange = client.exchange({ cla: 0x80, ins: 1, p1: 0, p2: 0, data, answerBytesMax: 256 });
    expect((await exchange).status).not.toBe(0x6c03);
    expect(card.log[1]?.answerBytesMax).toBe(3);
  });

  test("other status words are thrown with a sentence and their number", async () => {
    const refusing: Transport = {
      name: "refusing card",
      extendedLength: true,
      transmit: () => Uint8Array.of(0x69, 0x82),
      reset: () => undefined,
      close: () => undefined,
    };
    const refused = new ApduClient(refusing).send({ cla: 0, ins: 0xca, p1: 0xdf, p2: 0x10, answerBytesMax: 256 });
    await expect(refused).rejects.toThrow(StatusWordError);
    await expect(refused).rejects.toThrow(/PIN.*6982/s);
    expect(new StatusWordError(0x63c2, 0x20).triesLeft).toBe(2);
    expect(statusSentence(0x63c1)).toMatch(/1 try is left/);
  });

  test("a chain has the chaining bit on all pieces but the last, and only the last asks for an answer", () => {
    const pieces = chainedCommands({ cla: 0x80, ins: 1, p1: 0, p2: 0, data: new Uint8Array(600), answerBytesMax: 9 });
    expect(pieces.map((piece) => [piece.cla, piece.data?.length, piece.answerBytesMax])).toEqual([
      [0x90, 255, undefined],
      [0x90, 255, undefined],
      [0x80, 90, 9],
    ]);
  });
});
