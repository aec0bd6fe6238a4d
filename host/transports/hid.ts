/**
 * A card that is a USB device (docs/READERS.md): commands as CTAPHID messages. The device is locked for this program while
 * the transport is open (11.2.6), and the card restarted at its beginning and at its end, so that nothing of one user, a
 * verified PIN above all, is left to the next.
 */

import {
  COMMAND_LOCK,
  COMMAND_MSG,
  COMMAND_RESTART,
  ERROR_INVALID_CHANNEL,
  MESSAGE_BYTES_MAX,
} from "../../firmware/usb/ctaphid.js";
import { asError } from "../as-error.js";
import { type RandomSource, systemRandom } from "../randomness.js";
import { systemTimers } from "../services/clock.js";
import type { Transport } from "../transport.js";
import { CtapHidClient, type ReportLine } from "./ctaphid-client.js";
import type { LineTime } from "./ctaphid-exchange.js";
import { UsbGoneError, UsbInUseError, UsbRefusedError, UsbSessionLostError } from "./hid-errors.js";

/** A program that dies leaves the device locked for as long at most. */
export const LOCK_SECONDS = 5;
const LOCK_RENEW_MS = 1500;
/** What is left of a lock is counted with so much to spare: reports take time, and keepalives are not exact. */
const LOCK_SPARE_MS = 500;

const NOTHING = new Uint8Array(0);

/** The machine's time, which no setting of its clock moves. */
export const systemLineTime: LineTime = { now_ms: () => performance.now(), after: systemTimers.after };

export interface HidTransportParts {
  readonly time?: LineTime;
  readonly random?: RandomSource;
}

export class HidTransport implements Transport {
  readonly name: string;
  readonly extendedLength = true;
  readonly #client: CtapHidClient;
  readonly #time: LineTime;
  /** Messages wait for each other: the last one that was asked for. */
  #last: Promise<unknown> = Promise.resolve();
  #lockedUntil_ms = 0;
  #stopRenewing: () => void = () => undefined;
  /** Why this session is over, until the card is restarted. */
  #lost: Error | undefined;
  #closing: Promise<void> | undefined;

  private constructor(client: CtapHidClient, time: LineTime) {
    this.name = client.name;
    this.#client = client;
    this.#time = time;
  }

  /** Takes the device for this program alone and restarts the card. The line is closed when that fails. */
  static async open(line: ReportLine, parts: HidTransportParts = {}): Promise<HidTransport> {
    const time = parts.time ?? systemLineTime;
    const transport = new HidTransport(new CtapHidClient(line, time, parts.random ?? systemRandom), time);
    try {
      await transport.#inTurn(() => transport.#begin());
      return transport;
    } catch (error) {
      await transport.#client.close();
      throw error;
    }
  }

  /** Whether nothing more comes of it: it was closed, or the device is gone. */
  get isOver(): boolean {
    return this.#client.failure !== undefined;
  }

  transmit(apdu: Uint8Array): Promise<Uint8Array> {
    if (apdu.length > MESSAGE_BYTES_MAX) {
      throw new RangeError(`apdu: ${apdu.length} bytes, at most ${MESSAGE_BYTES_MAX}`);
    }
    const command = apdu.slice();
    return this.#inTurn(() => this.#exchange(COMMAND_MSG, command));
  }

  /** A session that was lost begins anew: a restarted card is nobody's. */
  reset(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#lost !== undefined) await this.#begin();
      else await this.#exchange(COMMAND_RESTART, NOTHING);
    });
  }

  /** Takes back the command that the device has and the card has not begun with; it then fails with a CommandCancelledError. */
  async cancel(): Promise<void> {
    await this.#client.cancel();
  }

  /** Restarts the card and gives the device to others. What is under way is done first. */
  close(): Promise<void> {
    this.#closing ??= this.#inTurn(() => this.#end());
    return this.#closing;
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #begin(): Promise<void> {
    await this.#client.initialize();
    await this.#lock();
    this.#lost = undefined;
    await this.#exchange(COMMAND_RESTART, NOTHING);
  }

  /** Whatever of this does not work, the lock ends by itself; a device that is gone has restarted anyway. */
  async #end(): Promise<void> {
    this.#stopRenewing();
    try {
      if (this.#lost === undefined) {
        await this.#client.exchange(COMMAND_RESTART, NOTHING);
        await this.#client.exchange(COMMAND_LOCK, Uint8Array.of(0));
      }
    } catch {
      // Nobody is left who could do something about it.
    } finally {
      this.#lost ??= new UsbGoneError(this.name);
      await this.#client.close();
    }
  }

  /** A message under the lock. */
  async #exchange(command: number, data: Uint8Array): Promise<Uint8Array> {
    this.#checkSession();
    const worked_ms = this.#client.worked_ms;
    try {
      return await this.#client.exchange(command, data);
    } catch (error) {
      throw this.#sessionErrorOf(error);
    } finally {
      // The lock's time stands still while the card works.
      this.#lockedUntil_ms += this.#client.worked_ms - worked_ms;
    }
  }

  #checkSession(): void {
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#time.now_ms() > this.#lockedUntil_ms - LOCK_SPARE_MS) throw this.#lose();
  }

  /** Whoever has the lock is refused neither for another program nor for a connection that is not valid. */
  #sessionErrorOf(error: unknown): unknown {
    if (error instanceof UsbInUseError) this.#lose(error);
    if (error instanceof UsbRefusedError && error.code === ERROR_INVALID_CHANNEL) return this.#lose();
    return error;
  }

  #lose(why: Error = new UsbSessionLostError(this.name)): Error {
    this.#stopRenewing();
    this.#lost ??= why;
    return this.#lost;
  }

  async #lock(): Promise<void> {
    const asked_ms = this.#time.now_ms();
    await this.#client.exchange(COMMAND_LOCK, Uint8Array.of(LOCK_SECONDS));
    this.#lockedUntil_ms = asked_ms + LOCK_SECONDS * 1000;
    this.#stopRenewing();
    this.#stopRenewing = this.#time.after(LOCK_RENEW_MS, () => void this.#inTurn(() => this.#renew()));
  }

  async #renew(): Promise<void> {
    if (this.#lost !== undefined || this.#closing !== undefined) return;
    try {
      this.#checkSession();
      await this.#lock();
    } catch (error) {
      // Whoever sends the next command is told.
      this.#lose(asError(error));
    }
  }
}
