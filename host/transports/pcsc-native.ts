/**
 * The native library for PC/SC (npm `pcsclite`), as much of it as is used here, and its traps:
 *
 * - it may not be there, and without the service its first call throws;
 * - its callbacks come outside of any turn of the event loop, where promises do not go on, some with a lock held that every
 *   other call waits for: whatever follows a callback is put off to the next turn (`later`);
 * - an object that watches a reader shares that lock with its commands, so that a change of the card's state would stop the
 *   whole process until a command ends: commands have objects of their own (`commandReader`), which watch nothing;
 * - such an object must never be collected as garbage: it would end threads that it never began. There are few of them.
 */

import { createRequire } from "node:module";
import { asError } from "../as-error.js";
import { CardLibraryMissingError, CardServiceMissingError } from "./card-errors.js";

export interface NativeStatus {
  readonly state: number;
  readonly atr?: Uint8Array;
}

/** Node's manner: an error first, then the result. */
type Callback<Result> = (error: unknown, result: Result) => void;

export interface NativeReader {
  readonly name: string;
  readonly connected: boolean;
  on(event: "status", listener: (status: NativeStatus) => void): unknown;
  on(event: "error", listener: (error: unknown) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  connect(options: { share_mode: number; protocol: number }, callback: Callback<number>): void;
  disconnect(disposition: number, callback: (error: unknown) => void): void;
  transmit(command: Buffer, answerBytesMax: number, protocol: number, callback: Callback<Uint8Array>): void;
  /** Ends watching; "end" follows. */
  close(): void;
}

/** The readers of the service, watched from `start` on, which the library calls by itself. */
export interface NativeReaders {
  /** Those that are watched, by name. */
  readonly readers: Record<string, NativeReader>;
  start(callback: (error: unknown, names?: Uint8Array) => void): void;
  on(event: "reader", listener: (reader: NativeReader) => void): unknown;
  on(event: "error", listener: (error: unknown) => void): unknown;
  close(): void;
}

export type NativeLibrary = () => NativeReaders;

export const SHARE_EXCLUSIVE = 1;
export const PROTOCOL_T0 = 1;
export const PROTOCOL_T1 = 2;
export const UNPOWER_CARD = 2;

export const STATE_EMPTY = 0x10;
export const STATE_PRESENT = 0x20;
export const STATE_EXCLUSIVE = 0x80;
export const STATE_MUTE = 0x200;

/** Results of PC/SC (pcsclite.h). */
export const CANCELLED = 0x80100002;
export const INVALID_HANDLE = 0x80100003;
export const UNKNOWN_READER = 0x80100009;
export const SHARING_VIOLATION = 0x8010000b;
export const NO_SMARTCARD = 0x8010000c;
export const READER_UNAVAILABLE = 0x80100017;
export const NO_SERVICE = 0x8010001d;
export const SERVICE_STOPPED = 0x8010001e;
export const NO_READERS = 0x8010002e;
export const PROTOCOL_MISMATCH = 0x8010000f;
export const UNSUPPORTED_CARD = 0x80100065;
export const UNRESPONSIVE_CARD = 0x80100066;
export const UNPOWERED_CARD = 0x80100067;
export const RESET_CARD = 0x80100068;
export const REMOVED_CARD = 0x80100069;

/** The number in "SCardConnect error: Sharing violation.(0x8010000b)". */
export function resultOf(error: unknown): number | undefined {
  const digits = /\(0x([0-9a-f]{8,16})\)\s*$/i.exec(asError(error).message)?.[1];
  // Where its type has 64 bits the sign is spelled out.
  return digits === undefined ? undefined : Number.parseInt(digits.slice(-8), 16);
}

/** Loads the library of this computer, when it is first needed. */
export function loadNative(): NativeLibrary {
  try {
    return createRequire(import.meta.url)("pcsclite") as NativeLibrary;
  } catch (error) {
    throw new CardLibraryMissingError(error);
  }
}

/** Begins to watch the service's readers. */
export function openNative(load: () => NativeLibrary): NativeReaders {
  const library = load();
  try {
    return library();
  } catch (error) {
    throw new CardServiceMissingError(error);
  }
}

/** Calls in the next turn of the event loop. */
export function later(call: () => void): void {
  setImmediate(call);
}

/** The result of a call with a callback, in a turn of its own. */
export function promised<Result>(call: (callback: Callback<Result>) => void): Promise<Result> {
  return new Promise((resolve, reject) => {
    call((error, result) => later(() => (error ? reject(asError(error)) : resolve(result))));
  });
}

const kept = new Set<NativeReader>();

/** An object for commands to the reader that another object watches. */
export function commandReader(watched: NativeReader): NativeReader {
  const Reader = watched.constructor as new (name: string) => NativeReader;
  const reader = new Reader(watched.name);
  kept.add(reader);
  return reader;
}
