/**
 * A service for readers that is a table: what the native library does with it, its callbacks, its words for errors and its
 * traps, without threads. Tests plug readers, put cards in, and end it.
 */

import { EventEmitter } from "node:events";
import * as native from "../../host/transports/pcsc-native.js";

/** What a card answers to a command: a result of PC/SC instead of an answer, or nothing for ever. */
export type FakeAnswer = Uint8Array | number | "nothing";

export interface FakeCard {
  readonly atr: Uint8Array;
  readonly protocol?: number;
  answer(apdu: Uint8Array): FakeAnswer;
}

interface Slot {
  card: FakeCard | undefined;
  /** Whose it is, while it is connected. */
  holder: object | undefined;
  /** What a connection is refused with. */
  refusal?: number;
  powerUps: number;
  isStale: boolean;
}

const WORDS = "What PC/SC says.";

function failure(call: string, result: number): Error {
  return new Error(`${call} error: ${WORDS}(0x${result.toString(16).padStart(8, "0")})`);
}

export class FakeService {
  readonly #slots = new Map<string, Slot>();
  readonly #lists = new Set<FakeReaders>();
  readonly #watching = new Set<FakeReader>();
  readonly #Reader: new (
    name: string,
  ) => FakeReader;
  isRunning = true;
  /** Commands of connections, in order. */
  readonly log: string[] = [];
  /** Threads that were begun and not ended. */
  get threads(): number {
    return this.#watching.size;
  }

  constructor(...names: readonly string[]) {
    const service = this;
    this.#Reader = class extends FakeReader {
      constructor(name: string) {
        super(service, name);
      }
    };
    for (const name of names) this.plug(name);
  }

  readonly load = (): native.NativeLibrary => () => {
    if (!this.isRunning) throw failure("SCardEstablishContext", native.NO_SERVICE);
    const list = new FakeReaders(this, this.#Reader);
    this.#lists.add(list);
    return list;
  };

  slot(name: string): Slot | undefined {
    return this.isRunning ? this.#slots.get(name) : undefined;
  }

  get names(): string[] {
    return [...this.#slots.keys()];
  }

  plug(name: string): void {
    this.#slots.set(name, { card: undefined, holder: undefined, powerUps: 0, isStale: false });
    for (const list of this.#lists) list.listed();
  }

  unplug(name: string): void {
    this.#slots.delete(name);
    for (const list of this.#lists) list.listed();
    for (const reader of [...this.#watching]) if (reader.name === name) reader.threadEnded(native.UNKNOWN_READER);
  }

  insert(name: string, card: FakeCard): void {
    const slot = this.#of(name);
    slot.card = card;
    this.tell(name);
  }

  remove(name: string): void {
    const slot = this.#of(name);
    slot.card = undefined;
    if (slot.holder !== undefined) slot.isStale = true;
    this.tell(name);
  }

  /** Another program takes the card, or lets it go. */
  use(name: string, isUsed: boolean): void {
    this.#of(name).holder = isUsed ? this : undefined;
    this.tell(name);
  }

  refuse(name: string, result: number | undefined): void {
    const slot = this.#of(name);
    if (result === undefined) delete slot.refusal;
    else slot.refusal = result;
  }

  end(): void {
    this.isRunning = false;
    for (const list of this.#lists) list.failed(native.NO_SERVICE);
    this.#lists.clear();
    for (const reader of [...this.#watching]) reader.threadEnded(native.NO_SERVICE);
    for (const slot of this.#slots.values()) slot.holder = undefined;
  }

  restart(): void {
    this.isRunning = true;
  }

  #of(name: string): Slot {
    const slot = this.#slots.get(name);
    if (slot === undefined) throw new RangeError(`name: ${name}`);
    return slot;
  }

  watch(reader: FakeReader): void {
    this.#watching.add(reader);
    setImmediate(() => reader.told());
  }

  unwatch(reader: FakeReader): void {
    this.#watching.delete(reader);
  }

  forget(list: FakeReaders): void {
    this.#lists.delete(list);
  }

  tell(name: string): void {
    for (const reader of this.#watching) if (reader.name === name) setImmediate(() => reader.told());
  }
}

class FakeReaders extends EventEmitter implements native.NativeReaders {
  readonly readers: Record<string, FakeReader> = {};
  readonly #service: FakeService;
  #callback: (error: unknown, names?: Uint8Array) => void = () => undefined;

  constructor(service: FakeService, Reader: new (name: string) => FakeReader) {
    super();
    this.#service = service;
    process.nextTick(() =>
      this.start((error, names) => {
        if (error) {
          this.emit("error", error);
          return;
        }
        const listed = new TextDecoder().decode(names).split("\0").filter(Boolean);
        for (const name of listed.filter((each) => this.readers[each] === undefined)) {
          const reader = new Reader(name);
          this.readers[name] = reader;
          reader.on("end", () => delete this.readers[name]);
          this.#service.watch(reader);
          this.emit("reader", reader);
        }
        for (const name of Object.keys(this.readers)) if (!listed.includes(name)) this.readers[name]?.close();
      }),
    );
  }

  start(callback: (error: unknown, names?: Uint8Array) => void): void {
    this.#callback = callback;
    this.listed();
  }

  listed(): void {
    const names = this.#service.names.map((name) => `${name}\0`).join("");
    setImmediate(() => this.#callback(undefined, new TextEncoder().encode(`${names}\0`)));
  }

  failed(result: number): void {
    setImmediate(() => this.#callback(failure("SCardGetStatusChange", result)));
  }

  close(): void {
    this.#service.forget(this);
    // It says so, and whoever does not listen is ended.
    this.failed(native.CANCELLED);
  }
}

class FakeReader extends EventEmitter implements native.NativeReader {
  readonly name: string;
  connected = false;
  readonly #service: FakeService;
  #isOver = false;
  /** What it was connected to: another one of the same name is not this one. */
  #slot: Slot | undefined;

  constructor(service: FakeService, name: string) {
    super();
    this.#service = service;
    this.name = name;
  }

  told(): void {
    const slot = this.#service.slot(this.name);
    if (this.#isOver || slot === undefined) return;
    const { card, holder } = slot;
    const use = holder === undefined ? 0 : native.STATE_EXCLUSIVE;
    const state = card === undefined ? native.STATE_EMPTY : native.STATE_PRESENT | use;
    this.emit("status", { state, atr: card?.atr ?? new Uint8Array(0) });
  }

  threadEnded(result: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#service.unwatch(this);
    setImmediate(() => {
      if (result !== native.UNKNOWN_READER) this.emit("error", failure("SCardGetStatusChange", result));
      this.emit("end");
    });
  }

  close(): void {
    this.threadEnded(native.UNKNOWN_READER);
  }

  connect(
    { share_mode }: { share_mode: number; protocol: number },
    callback: (error: unknown, result: number) => void,
  ): void {
    const slot = this.#service.slot(this.name);
    const refusal = refusalOf(slot, this.#service.isRunning);
    const shared = share_mode === native.SHARE_EXCLUSIVE ? "" : " shared";
    this.#service.log.push(`connect ${this.name}${shared}${refusal === undefined ? "" : ` ${refusal.toString(16)}`}`);
    setImmediate(() => {
      if (refusal !== undefined || slot === undefined) {
        callback(failure("SCardConnect", refusal ?? native.UNKNOWN_READER), 0);
        return;
      }
      slot.holder = this;
      slot.powerUps += 1;
      slot.isStale = false;
      this.#slot = slot;
      this.connected = true;
      this.#service.tell(this.name);
      callback(null, slot.card?.protocol ?? native.PROTOCOL_T1);
    });
  }

  disconnect(disposition: number, callback: (error: unknown) => void): void {
    this.#service.log.push(`disconnect ${this.name} ${disposition}`);
    setImmediate(() => {
      if (!this.#service.isRunning) return callback(failure("SCardDisconnect", native.INVALID_HANDLE));
      this.connected = false;
      if (this.#slot?.holder === this) this.#slot.holder = undefined;
      this.#slot = undefined;
      this.#service.tell(this.name);
      callback(null);
    });
  }

  transmit(
    command: Buffer,
    _longest: number,
    _protocol: number,
    callback: (error: unknown, result: Uint8Array) => void,
  ): void {
    const answer = this.#answer(command);
    if (answer === "nothing") return;
    setImmediate(() => {
      if (typeof answer === "number") callback(failure("SCardTransmit", answer), new Uint8Array(0));
      else callback(null, answer);
    });
  }

  #answer(command: Buffer): FakeAnswer {
    const slot = this.#slot;
    if (!this.#service.isRunning) return native.NO_SERVICE;
    if (slot === undefined || this.#service.slot(this.name) !== slot) return native.READER_UNAVAILABLE;
    if (slot.isStale || slot.card === undefined) return native.REMOVED_CARD;
    return slot.card.answer(new Uint8Array(command));
  }
}

function refusalOf(slot: Slot | undefined, isRunning: boolean): number | undefined {
  if (!isRunning) return native.INVALID_HANDLE;
  if (slot === undefined) return native.UNKNOWN_READER;
  if (slot.refusal !== undefined) return slot.refusal;
  if (slot.holder !== undefined) return native.SHARING_VIOLATION;
  return slot.card === undefined ? native.NO_SMARTCARD : undefined;
}
