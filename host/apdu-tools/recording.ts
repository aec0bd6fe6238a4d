/**
 * Card traffic as a session, written as it happens (docs/READERS.md, "Sessions of APDUs"): whatever kills the process leaves a
 * file that can be read up to that moment. PIN, PUK and keys are named, not written, unless they are asked for. A file that
 * cannot be written any more ends the recording, and never the payment.
 *
 * `SessionRecorder` is for a command that records; `recordedByEnvironment` is the one place where any other command's traffic is
 * recorded, to the file of TALLY_RECORD: a transport goes through it where it is opened.
 */

import { closeSync, openSync, writeSync } from "node:fs";
import { asError } from "../as-error.js";
import type { Transport } from "../transport.js";
import { patternOfBytes } from "./pattern.js";
import { Secrets } from "./secrets.js";
import { printItem, type SessionItem } from "./session.js";

export interface RecorderOptions {
  /** PIN, PUK and keys are written as they are. */
  readonly keepSecrets?: boolean;
  /** What is there already stays, and this session follows it. */
  readonly append?: boolean;
  /** The file cannot be written: the recording is over. */
  readonly failed?: (error: Error) => void;
}

/** One file, and all cards of a process whose traffic goes into it. */
export class SessionRecorder {
  readonly #secrets = new Secrets();
  readonly #options: RecorderOptions;
  #file: number | undefined;
  #target: string | undefined;
  /** Names behind "@", by what a card is called and where it is. */
  readonly #cards = new Map<string, string>();

  /** Throws when the file cannot be made, or is there already and nothing is to be added to it. */
  constructor(path: string, options: RecorderOptions = {}) {
    this.#options = options;
    this.#file = openSync(path, options.append === true ? "a" : "wx", 0o600);
  }

  /** The same transport, recorded under a name. */
  wrap(transport: Transport, name: string): Transport {
    const target = this.#targetName(transport, name);
    return new RecordedTransport(transport, (item) => this.write(target, item));
  }

  /**
   * Behind "@" stand small letters, digits and hyphens: alice.module is @alice-module. Of several of a name the second is card-2,
   * as `tally apdu` calls it; one that is connected again is the same.
   */
  #targetName(transport: Transport, name: string): string {
    const letters = name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
    const wanted = /^[a-z]/.test(letters) ? letters : `card-${letters}`;
    const known = this.#cards.get(`${wanted} ${transport.name}`);
    if (known !== undefined) return known;
    const taken = new Set(this.#cards.values());
    let target = wanted;
    for (let number = 2; taken.has(target); number += 1) target = `${wanted}-${number}`;
    this.#cards.set(`${wanted} ${transport.name}`, target);
    return target;
  }

  write(target: string, item: SessionItem): void {
    if (target !== this.#target) this.#line({ kind: "target", name: target });
    this.#target = target;
    const isHidden = item.kind === "apdu" && this.#options.keepSecrets !== true;
    const [part] = item.kind === "apdu" ? item.parts : [];
    this.#line(isHidden && part instanceof Uint8Array ? this.#secrets.hide(part) : item);
  }

  /** A remark, for whoever reads it. */
  comment(text: string): void {
    this.#line({ kind: "comment", text });
  }

  #line(item: SessionItem): void {
    if (this.#file === undefined) return;
    try {
      writeSync(this.#file, `${printItem(item)}\n`);
    } catch (error) {
      this.close();
      this.#options.failed?.(error instanceof Error ? error : new Error(String(error)));
    }
  }

  close(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) closeSync(file);
  }
}

/** Answers that come at once are recorded at once, without a promise between. */
class RecordedTransport implements Transport {
  readonly name: string;
  readonly extendedLength: boolean;
  readonly #inner: Transport;
  readonly #write: (item: SessionItem) => void;

  constructor(inner: Transport, write: (item: SessionItem) => void) {
    this.name = inner.name;
    this.extendedLength = inner.extendedLength;
    this.#inner = inner;
    this.#write = write;
  }

  transmit(apdu: Uint8Array): Uint8Array | Promise<Uint8Array> {
    this.#write({ kind: "apdu", parts: [apdu.slice()] });
    return this.#lost(() => {
      const answer = this.#inner.transmit(apdu);
      return answer instanceof Promise ? answer.then((bytes) => this.#answered(bytes)) : this.#answered(answer);
    });
  }

  #answered(bytes: Uint8Array): Uint8Array {
    if (bytes.length > 0) this.#write({ kind: "expect", pattern: patternOfBytes(bytes) });
    return bytes;
  }

  /** A command whose answer never came says so in the file. */
  #lost(work: () => Uint8Array | Promise<Uint8Array>): Uint8Array | Promise<Uint8Array> {
    const told = (error: unknown): never => {
      this.#write({ kind: "comment", text: `no answer: ${error instanceof Error ? error.name : "error"}` });
      throw error;
    };
    try {
      const answer = work();
      return answer instanceof Promise ? answer.catch(told) : answer;
    } catch (error) {
      return told(error);
    }
  }

  reset(): void | Promise<void> {
    this.#write({ kind: "reset" });
    return this.#inner.reset();
  }

  close(): void | Promise<void> {
    return this.#inner.close();
  }
}

/** The environment names a file in which nothing can be recorded. */
export class RecordingError extends Error {
  constructor(path: string, cause: unknown) {
    super(
      `TALLY_RECORD names ${path}, which cannot be written (${asError(cause).message}). Nothing was asked of a card and no ` +
        "money moved. Name a file in a folder that is there and that you may write to, or leave TALLY_RECORD away.",
      { cause },
    );
    this.name = "RecordingError";
  }
}

function openForEnvironment(path: string, failed: (error: Error) => void): SessionRecorder {
  try {
    return new SessionRecorder(path, { append: true, failed });
  } catch (error) {
    throw new RecordingError(path, error);
  }
}

/** One for each file of the environment: all cards of a process are in one session. */
const byEnvironment = new Map<string, SessionRecorder>();

/** The transport, recorded if TALLY_RECORD names a file. `name` is what stands behind "@": agent, module, purse. */
export function recordedByEnvironment(
  transport: Transport,
  name: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Transport {
  const path = environment["TALLY_RECORD"];
  if (path === undefined || path === "") return transport;
  let recorder = byEnvironment.get(path);
  if (recorder === undefined) {
    const failed = (error: Error) =>
      process.stderr.write(`The recording in ${path} ended: ${error.message}. The command goes on without it.\n`);
    recorder = openForEnvironment(path, failed);
    byEnvironment.set(path, recorder);
  }
  return recorder.wrap(transport, name);
}
