/** A chip on a serial line: what a host says to it, and what becomes of what is lost on the way. */

import { describe, expect, test } from "vitest";
import { TransportError } from "../../host/transport.js";
import { CardTimeoutError, ReaderMissingError } from "../../host/transports/card-errors.js";
import { SerialGoneError, SerialPowerLostError, SerialProtocolError } from "../../host/transports/serial-errors.js";
import { encodeFrame } from "../../host/transports/serial-frames.js";
import { ModelBoard, NoAnswer } from "./model-board.js";

const BEGINNING = ["control 0", "control 1", "control 4"];
const COMMAND = [0, 0xca, 1, 2];
const ANSWER = [...COMMAND, 0x90, 0];

describe("a session", () => {
  test("begins with power anew and ends without power", async () => {
    const board = new ModelBoard();
    board.isOn = true;
    const transport = await board.connect();
    expect(board.asked).toEqual(BEGINNING);
    expect(transport.extendedLength).toBe(true);
    expect(await board.send(transport, ...COMMAND)).toEqual(ANSWER);
    await board.time.run(transport.reset());
    expect(board.starts).toBe(2);
    await board.time.run(transport.close());
    await board.time.run(transport.close());
    expect([board.isOn, board.openLines]).toEqual([false, 0]);
    await expect(board.send(transport, ...COMMAND)).rejects.toThrow(/closed/);
    await expect(board.time.run(transport.reset())).rejects.toThrow(TransportError);
  });

  test("ends without power, though the line loses what takes it", async () => {
    const board = new ModelBoard();
    const transport = await board.connect();
    board.deaf = 1;
    await board.time.run(transport.close());
    expect([board.isOn, board.openLines]).toEqual([false, 0]);
  });

  test("has one command at a time, and what looks like a control is none", async () => {
    const board = new ModelBoard();
    const transport = await board.connect();
    board.asked.length = 0;
    const answers = await board.time.run(
      Promise.all([1, 2, 3].map((number) => transport.transmit(Uint8Array.of(0, 0, 0, number)))),
    );
    expect(answers.map(([, , , number]) => number)).toEqual([1, 2, 3]);
    expect(await board.send(transport, 0)).toEqual([0x67, 0]);
    expect(board.asked).toHaveLength(3);
    expect(board.isOn).toBe(true);
  });

  test("begins though questions and answers are lost at first, and ends though nobody answers any more", async () => {
    const board = new ModelBoard();
    board.deaf = 4;
    board.lost = 1;
    const transport = await board.connect();
    expect(board.isOn).toBe(true);
    board.deaf = 1_000;
    await board.time.run(transport.close());
    expect(board.openLines).toBe(0);
  });

  test("does not begin where nobody answers, or where the line ends at once", async () => {
    const board = new ModelBoard();
    board.deaf = 1_000;
    await expect(board.connect()).rejects.toThrow(NoAnswer);
    expect(board.openLines).toBe(0);
    const gone = new ModelBoard();
    const open = gone.open.bind(gone);
    gone.open = async () => {
      const line = await open();
      line.stream.destroy();
      return line;
    };
    await expect(gone.connect()).rejects.toThrow(ReaderMissingError);
    expect(gone.openLines).toBe(0);
  });

  test("says where the chip's random bytes come from", async () => {
    const board = new ModelBoard();
    const transport = await board.connect();
    const origins: string[] = [];
    for (const number of [0, 1, 2]) {
      board.origin = Uint8Array.of(number, 0x61);
      origins.push(await board.time.run(transport.randomOrigin()));
    }
    expect(origins).toEqual(["none", "seeded", "fit"]);
    board.origin = Uint8Array.of(3);
    await expect(board.time.run(transport.randomOrigin())).rejects.toThrow(SerialProtocolError);
    board.origin = new Uint8Array(0);
    await expect(board.time.run(transport.randomOrigin())).rejects.toThrow(SerialProtocolError);
  });
});

describe("answers", () => {
  test("to somebody else are not taken", async () => {
    const board = new ModelBoard();
    // The next frames are 7, 8 and 9; an answer to whoever was here before has the ATR's tag by chance.
    board.firstTag = 7;
    board.before = encodeFrame(9, Uint8Array.of(0x90, 0));
    const transport = await board.connect();
    board.before = Buffer.concat([encodeFrame(8, Uint8Array.of(1, 2)), encodeFrame(11, Uint8Array.of(1, 2))]);
    expect(await board.send(transport, ...COMMAND)).toEqual(ANSWER);
  });

  test("are found among noise", async () => {
    const board = new ModelBoard();
    board.before = Buffer.from("ESP-ROM:~}boot\r\n\u007e\u007d");
    const transport = await board.connect();
    expect(await board.send(transport, ...COMMAND)).toEqual(ANSWER);
  });

  test("that are lost are waited for as long as a command may take; then the card is restarted", async () => {
    const board = new ModelBoard();
    const transport = await board.connect();
    board.lost = 1;
    const begun_ms = board.time.clock.nowMs();
    await expect(board.send(transport, ...COMMAND)).rejects.toThrow(CardTimeoutError);
    expect(board.time.clock.nowMs() - begun_ms).toBe(60_000);
    // The card may have been in the middle of something: nothing goes on before it was restarted.
    const asked = board.asked.length;
    await expect(board.send(transport, ...COMMAND)).rejects.toThrow(TransportError);
    await expect(board.time.run(transport.randomOrigin())).rejects.toThrow(TransportError);
    expect(board.asked).toHaveLength(asked);
    await board.time.run(transport.reset());
    expect(await board.send(transport, ...COMMAND)).toEqual(ANSWER);
    expect(board.lines).toBe(1);
  });

  test("that come too late are not taken for those to later commands", async () => {
    const board = new ModelBoard();
    const transport = await board.connect();
    let late: Uint8Array = new Uint8Array(0);
    board.onCommand = ({ tag }) => {
      late = encodeFrame(tag, Uint8Array.of(9, 9));
    };
    await expect(board.send(transport, ...COMMAND)).rejects.toThrow(CardTimeoutError);
    board.onCommand = undefined;
    board.before = late;
    await board.time.run(transport.reset());
    expect(await board.send(transport, ...COMMAND)).toEqual(ANSWER);
  });

  test("are lost where the line ends; a restart opens another", async () => {
    const board = new ModelBoard();
    const transport = await board.connect();
    board.onCommand = (_frame, end) => end.destroy();
    await expect(board.send(transport, ...COMMAND)).rejects.toThrow(SerialGoneError);
    await expect(board.send(transport, ...COMMAND)).rejects.toThrow(SerialGoneError);
    board.onCommand = (_frame, end) => end.destroy(new Error("unplugged"));
    await board.time.run(transport.reset());
    await expect(board.send(transport, ...COMMAND)).rejects.toThrow(/line to test board ended/);
    board.onCommand = undefined;
    await board.time.run(transport.reset());
    expect(await board.send(transport, ...COMMAND)).toEqual(ANSWER);
    expect([board.lines, board.openLines]).toEqual([3, 1]);
    await board.time.run(transport.close());
    expect(board.openLines).toBe(0);
  });

  test("of a card that somebody took the power from end the session", async () => {
    const board = new ModelBoard();
    const transport = await board.connect();
    board.isOn = false;
    await expect(board.send(transport, ...COMMAND)).rejects.toThrow(SerialPowerLostError);
    await expect(board.send(transport, ...COMMAND)).rejects.toThrow(SerialPowerLostError);
    await board.time.run(transport.reset());
    expect(await board.send(transport, ...COMMAND)).toEqual(ANSWER);
  });
});
