/**
 * The host's side of CTAPHID (FIDO CTAP 2.1, section 11.2): a channel of one's own, and one message at a time. Everything
 * that it waits for has a bound, whatever the device does.
 */

import {
  CHANNEL_BROADCAST,
  CHANNEL_NONE,
  COMMAND_CANCEL,
  COMMAND_INIT,
  channelAt,
  ERROR_CHANNEL_BUSY,
  ERROR_INVALID_SEQUENCE,
  ERROR_MESSAGE_TIMEOUT,
  NONCE_BYTES,
  PROTOCOL_VERSION,
  REPORT_BYTES,
  writeReport,
} from "../../firmware/usb/ctaphid.js";
import { asError } from "../as-error.js";
import { type RandomSource, randomBytes } from "../randomness.js";
import { Exchange, type LineTime, type Request } from "./ctaphid-exchange.js";
import {
  CommandCancelledError,
  UsbGoneError,
  UsbInUseError,
  UsbMuteError,
  UsbProtocolError,
  UsbRefusedError,
} from "./hid-errors.js";

/** Reports to and from one device. */
export interface ReportLine {
  /** The device, for people. */
  readonly name: string;
  onReport: ((report: Uint8Array) => void) | undefined;
  /** The device is gone. */
  onFailure: ((error: Error) => void) | undefined;
  write(report: Uint8Array): void | Promise<void>;
  close(): void | Promise<void>;
}

/** A device that is busy with another is asked again after this time, and given up after the second. */
const BUSY_RETRY_MS = 100;
export const BUSY_MS_MAX = 6000;
/** A device that takes no report for so long takes none any more. */
export const WRITE_WAIT_MS = 3000;
/** An INIT that is not answered is said again. */
const INIT_TRIES = 3;
/** A message of which the device has missed a part, so that the card has not seen it, is sent so often. */
const MESSAGE_TRIES = 4;
/** Place of the protocol version in INIT's answer: behind nonce and channel id. */
const VERSION_AT = NONCE_BYTES + 4;

export class CtapHidClient {
  readonly name: string;
  readonly #line: ReportLine;
  readonly #time: LineTime;
  readonly #random: RandomSource;
  #channel = CHANNEL_NONE;
  #exchange: Exchange | undefined;
  #worked_ms = 0;
  #failure: Error | undefined;
  /** An exchange ended early: what the device still says about it is not the answer to the next one. */
  #isOutOfStep = false;

  constructor(line: ReportLine, time: LineTime, random: RandomSource) {
    this.name = line.name;
    this.#line = line;
    this.#time = time;
    this.#random = random;
    line.onReport = (report) => this.#exchange?.take(report);
    line.onFailure = (error) => this.#fail(new UsbGoneError(this.name, error));
  }

  /** Why nothing more comes of this device. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** So long, at least, the card has been at work with messages of this host, also with those that failed. */
  get worked_ms(): number {
    return this.#worked_ms;
  }

  /** Asks for a channel; a device that is busy with another program is asked again for so long. */
  async initialize(busy_ms = BUSY_MS_MAX): Promise<void> {
    this.#channel = CHANNEL_NONE;
    this.#channel = await this.#init(CHANNEL_BROADCAST, busy_ms);
    this.#isOutOfStep = false;
  }

  /** Sends a message and waits for its answer, likewise. */
  async exchange(command: number, data: Uint8Array, busy_ms = BUSY_MS_MAX): Promise<Uint8Array> {
    const giveUpAt_ms = this.#time.now_ms() + busy_ms;
    for (let tries = 1; ; ) {
      if (this.#isOutOfStep) await this.#init(this.#channel, busy_ms);
      this.#isOutOfStep = true;
      try {
        const answer = await this.#once({ channel: this.#channel, command }, data);
        this.#isOutOfStep = false;
        return answer;
      } catch (error) {
        // The device's word on this message was its last one about it.
        if (error instanceof UsbRefusedError || error instanceof CommandCancelledError) this.#isOutOfStep = false;
        if (isPartLost(error) && tries < MESSAGE_TRIES) tries += 1;
        else await this.#waitIfBusy(error, giveUpAt_ms);
      }
    }
  }

  /** Takes back what the card has not begun with; the exchange then ends with a CommandCancelledError. */
  async cancel(): Promise<void> {
    const exchange = this.#exchange;
    if (exchange?.mayBeCancelled !== true) return;
    await this.#write(reportOf({ channel: exchange.channel, command: COMMAND_CANCEL }, new Uint8Array(0), 0).report);
  }

  async close(): Promise<void> {
    this.#fail(new UsbGoneError(this.name));
    await this.#line.close();
  }

  /** What is under way fails with this error, and all that is asked from now on. */
  #fail(error: Error): void {
    this.#failure ??= error;
    this.#exchange?.fail(error);
  }

  /** Waits a moment if the device was busy and there is time left; else this is how it ends. */
  async #waitIfBusy(error: unknown, giveUpAt_ms: number): Promise<void> {
    if (!(error instanceof UsbRefusedError) || error.code !== ERROR_CHANNEL_BUSY) throw error;
    if (this.#time.now_ms() + BUSY_RETRY_MS > giveUpAt_ms) throw new UsbInUseError(this.name);
    await new Promise<void>((resolve) => void this.#time.after(BUSY_RETRY_MS, resolve));
  }

  /** INIT (11.2.9.1.3) on a channel; the channel that it gives. */
  async #init(channel: number, busy_ms: number): Promise<number> {
    const giveUpAt_ms = this.#time.now_ms() + busy_ms;
    for (let tries = 1; ; ) {
      try {
        const nonce = randomBytes(this.#random, NONCE_BYTES);
        const answer = await this.#once({ channel, command: COMMAND_INIT, nonce }, nonce);
        return this.#checkedChannel(answer, channel);
      } catch (error) {
        if (error instanceof UsbMuteError && tries < INIT_TRIES) tries += 1;
        else await this.#waitIfBusy(error, giveUpAt_ms);
      }
    }
  }

  #checkedChannel(answer: Uint8Array, asked: number): number {
    const given = channelAt(answer, NONCE_BYTES);
    if ((answer[VERSION_AT] ?? 0) < PROTOCOL_VERSION) {
      throw new UsbProtocolError(this.name, "it speaks an older version of CTAPHID");
    }
    if (given === CHANNEL_NONE || given === CHANNEL_BROADCAST || (asked !== CHANNEL_BROADCAST && given !== asked)) {
      throw new UsbProtocolError(this.name, "a connection that is none");
    }
    return given;
  }

  async #once(request: Request, data: Uint8Array): Promise<Uint8Array> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#exchange !== undefined) throw new Error("one message at a time");
    const exchange = new Exchange(this.name, this.#time, request);
    this.#exchange = exchange;
    try {
      for (let from = 0; !exchange.isOver; ) {
        const { report, next } = reportOf(request, data, from);
        await this.#write(report);
        from = next;
        if (from === data.length) break;
      }
      exchange.written();
      return await exchange.done;
    } finally {
      this.#worked_ms += exchange.worked_ms;
      this.#exchange = undefined;
    }
  }

  /** What cannot be written is the end: nobody knows how much of it has arrived. */
  async #write(report: Uint8Array): Promise<void> {
    let stop: () => void = () => undefined;
    try {
      const writing = this.#line.write(report);
      if (writing === undefined) return;
      const late = new Promise<never>((_resolve, reject) => {
        stop = this.#time.after(WRITE_WAIT_MS, () => reject(new Error("it takes no reports")));
      });
      await Promise.race([writing, late]);
    } catch (error) {
      this.#fail(new UsbGoneError(this.name, asError(error)));
    } finally {
      stop();
    }
  }
}

function isPartLost(error: unknown): boolean {
  const code = error instanceof UsbRefusedError ? error.code : undefined;
  return code === ERROR_INVALID_SEQUENCE || code === ERROR_MESSAGE_TIMEOUT;
}

/** The report that carries a message from this byte on, and where the next one begins. */
function reportOf({ channel, command }: Request, data: Uint8Array, from: number) {
  const report = new Uint8Array(REPORT_BYTES);
  return { report, next: writeReport(report, channel, command, data, data.length, from) };
}
