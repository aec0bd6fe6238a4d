/** A board on a line in this process, and what can go wrong between it and a host. */

import { Duplex } from "node:stream";
import type { SerialSource } from "../../host/transports/serial.js";
import { SerialTransport } from "../../host/transports/serial.js";
import {
  CONTROL_ATR,
  CONTROL_BOARD,
  CONTROL_POWER_OFF,
  CONTROL_POWER_ON,
  encodeFrame,
  type Frame,
  FrameDecoder,
} from "../../host/transports/serial-frames.js";
import type { SerialLine } from "../../host/transports/serial-line.js";
import { answerToReset } from "../../simulator/card/atr.js";
import { VirtualTime } from "../support/virtual-time.js";

export class NoAnswer extends Error {}

/** Its card answers a command with itself and 9000. */
export class ModelBoard implements SerialSource {
  readonly name = "test board";
  readonly time = new VirtualTime();
  readonly asked: string[] = [];
  isOn = false;
  /** How often it was given power. */
  starts = 0;
  origin = Uint8Array.of(2, 0x78);
  /** So many of the next frames are lost on their way to it. */
  deaf = 0;
  /** So many of its next answers are lost. */
  lost = 0;
  /** Sent before each answer. */
  before: Uint8Array = new Uint8Array(0);
  /** What becomes of a frame with a command, in place of its answer. */
  onCommand: ((frame: Frame, end: Duplex) => void) | undefined;
  lines = 0;
  openLines = 0;
  end: Duplex | undefined;
  /** The tag of the first frame on each line. */
  firstTag = 0;

  async open(): Promise<SerialLine> {
    const decoder = new FrameDecoder();
    const end: Duplex = new Duplex({
      read: () => undefined,
      write: (bytes: Uint8Array, _encoding, done) => {
        for (const frame of decoder.take(bytes)) this.#take(frame, end);
        done();
      },
    });
    this.lines += 1;
    this.openLines += 1;
    this.end = end;
    const close = async () => {
      this.openLines -= 1;
      end.destroy();
    };
    return { stream: end, close };
  }

  noAnswer(): Error {
    return new NoAnswer();
  }

  connect(): Promise<SerialTransport> {
    const random = { fill: (bytes: Uint8Array) => void bytes.fill(this.firstTag) };
    return this.time.run(SerialTransport.open(this, { timers: this.time, random }));
  }

  /** In virtual time. */
  send(transport: SerialTransport, ...apdu: number[]): Promise<number[]> {
    return this.time.run(transport.transmit(Uint8Array.from(apdu))).then((answer) => [...answer]);
  }

  #take(frame: Frame, end: Duplex): void {
    if (this.deaf > 0) {
      this.deaf -= 1;
      return;
    }
    const { tag, message } = frame;
    const [control = 0] = message;
    if (message.length === 1) this.asked.push(`control ${control}`);
    else this.asked.push(Buffer.from(message).toString("hex"));
    if (message.length === 1 && control === CONTROL_POWER_OFF) this.isOn = false;
    if (message.length === 1 && control === CONTROL_POWER_ON) {
      this.isOn = true;
      this.starts += 1;
    }
    if (message.length === 1 && control === CONTROL_ATR) this.#answer(end, tag, answerToReset("T=1"));
    if (message.length === 1 && control === CONTROL_BOARD) this.#answer(end, tag, this.origin);
    if (message.length === 1) return;
    if (this.onCommand !== undefined) this.onCommand(frame, end);
    else this.#answer(end, tag, this.isOn ? Uint8Array.of(...message, 0x90, 0) : new Uint8Array(0));
  }

  #answer(end: Duplex, tag: number, message: Uint8Array): void {
    if (this.lost > 0) {
      this.lost -= 1;
      return;
    }
    end.push(this.before);
    end.push(encodeFrame(tag, message));
  }
}
