/**
 * What a CTAPHID device says to what is said to it, written from the standard with whole messages and lists in the place of
 * buffers, for tests to compare the device with. Everything that it says is fetched at once.
 */

import type { Frame } from "./reports.js";

const MESSAGE_MAX = 7609;
const BROADCAST = -1;
const CHANNELS = 8;

interface Transaction {
  readonly channel: number;
  readonly command: number;
  readonly length: number;
  readonly data: number[];
  sequence: number;
  state: "coming" | "ready" | "with-card" | "unwanted";
  /** The last report, or the last keepalive. */
  last_ms: number;
  complete_ms: number;
}

export class DeviceModel {
  #channels: number[] = [];
  #nextChannel = 1;
  #transaction: Transaction | undefined;
  #lock: { readonly channel: number; until_ms: number } | undefined;
  #said: Frame[] = [];

  get state(): Transaction["state"] | "idle" {
    return this.#transaction?.state ?? "idle";
  }

  get data(): readonly number[] {
    return this.#transaction?.data ?? [];
  }

  report(bytes: Uint8Array, now_ms: number): Frame[] {
    if (bytes.length !== 64) return [];
    this.#pass(now_ms);
    const channel = new DataView(bytes.buffer, bytes.byteOffset).getInt32(0);
    const fifth = bytes[4] as number;
    const length = (bytes[5] as number) * 256 + (bytes[6] as number);
    const error =
      fifth < 0x80
        ? this.#more(channel, fifth, bytes.subarray(5), now_ms)
        : this.#first(channel, fifth - 0x80, length, bytes.subarray(7), now_ms);
    if (error !== undefined) this.#error(channel, error);
    return this.#said.splice(0);
  }

  tick(now_ms: number): Frame[] {
    this.#pass(now_ms);
    const open = this.#transaction;
    const isWithCard = open?.state === "ready" || open?.state === "with-card";
    if (open !== undefined && isWithCard && now_ms - open.last_ms >= 100) {
      open.last_ms = now_ms;
      this.#say(open.channel, 0x3b, [1]);
    }
    return this.#said.splice(0);
  }

  begin(): void {
    if (this.#transaction?.state === "ready") this.#transaction.state = "with-card";
  }

  answer(data: readonly number[], now_ms: number): Frame[] {
    const open = this.#transaction;
    if (open?.state !== "with-card" && open?.state !== "unwanted") return [];
    this.#transaction = undefined;
    if (open.state === "with-card") this.#end(open, data, now_ms);
    return this.#said.splice(0);
  }

  #say(channel: number, command: number, data: readonly number[]): void {
    this.#said.push({ channel, command, data });
  }

  #error(channel: number, code: number): void {
    this.#say(channel, 0x3f, [code]);
  }

  #end(open: Transaction, data: readonly number[], now_ms: number): void {
    if (this.#lock !== undefined) this.#lock.until_ms += now_ms - open.complete_ms;
    this.#say(open.channel, open.command, data);
  }

  #pass(now_ms: number): void {
    const open = this.#transaction;
    if (open?.state === "coming" && now_ms - open.last_ms >= 500) {
      this.#transaction = undefined;
      this.#error(open.channel, 5);
    }
    const isWithCard = open?.state === "ready" || open?.state === "with-card";
    if (!isWithCard && this.#lock !== undefined && now_ms >= this.#lock.until_ms) this.#lock = undefined;
  }

  // Each of these gives the code of the error that is said, if one is.

  #first(channel: number, command: number, length: number, data: Uint8Array, now_ms: number): number | undefined {
    const open = this.#transaction;
    const mayAskForChannel = channel === BROADCAST && command === 6;
    if (!this.#channels.includes(channel) && !mayAskForChannel) return 0x0b;
    if (command === 0x11) {
      if (open?.channel !== channel || (open.state !== "coming" && open.state !== "ready")) return undefined;
      this.#transaction = undefined;
      return 0x2d;
    }
    if (open !== undefined && open.channel !== channel) return 6;
    if (this.#lock !== undefined && this.#lock.channel !== channel) return 6;
    if (command === 6) return this.#initialize(channel, length, data);
    if (open?.state === "coming") {
      this.#transaction = undefined;
      return 4;
    }
    if (open !== undefined) return 6;
    return this.#command(channel, command, length, data, now_ms);
  }

  #initialize(channel: number, length: number, data: Uint8Array): number | undefined {
    if (length !== 8) return 3;
    let given = channel;
    if (channel === BROADCAST) {
      given = this.#nextChannel++;
      this.#channels = [...this.#channels, given].slice(-CHANNELS);
    }
    const open = this.#transaction;
    if (open?.state === "with-card") open.state = "unwanted";
    if (open?.state !== "unwanted") this.#transaction = undefined;
    const id = [given >>> 24, given >>> 16, given >>> 8, given].map((byte) => byte & 0xff);
    this.#say(channel, 6, [...data.subarray(0, 8), ...id, 2, 0, 1, 0, 0]);
    return undefined;
  }

  #command(channel: number, command: number, length: number, data: Uint8Array, now_ms: number): number | undefined {
    const isLong = command === 1 || command === 3;
    if (!isLong && command !== 4 && command !== 0x40) return 1;
    if (isLong ? length > MESSAGE_MAX : length !== (command === 4 ? 1 : 0)) return 3;
    if (command === 4) return this.#takeLock(channel, data[0] as number, now_ms);
    const open: Transaction = {
      ...{ channel, command, length, data: [], sequence: 0, state: "coming" },
      ...{ last_ms: now_ms, complete_ms: now_ms },
    };
    this.#transaction = open;
    this.#add(open, data, now_ms);
    return undefined;
  }

  #takeLock(channel: number, seconds: number, now_ms: number): number | undefined {
    if (seconds > 10) return 2;
    this.#lock = seconds === 0 ? undefined : { channel, until_ms: now_ms + 1000 * seconds };
    this.#say(channel, 4, []);
    return undefined;
  }

  #more(channel: number, sequence: number, data: Uint8Array, now_ms: number): number | undefined {
    const open = this.#transaction;
    if (open?.state !== "coming" || open.channel !== channel) return undefined;
    if (sequence === open.sequence) {
      open.sequence += 1;
      this.#add(open, data, now_ms);
      return undefined;
    }
    this.#transaction = undefined;
    return 4;
  }

  #add(open: Transaction, data: Uint8Array, now_ms: number): void {
    open.data.push(...data.subarray(0, open.length - open.data.length));
    open.last_ms = now_ms;
    if (open.data.length < open.length) return;
    open.complete_ms = now_ms;
    open.state = "ready";
    if (open.command !== 1) return;
    this.#transaction = undefined;
    this.#end(open, open.data, now_ms);
  }
}
