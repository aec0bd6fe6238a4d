/**
 * The records in a module's store, read from its flash by the store's own code, beside the running applet: what a rollback
 * must leave exactly as it was.
 */

import { toHex } from "../../host/codec/bytes.js";
import type { Chip } from "../../simulator/chip.js";
import type { FlashGeometry } from "../../simulator/flash.js";
import { type LoadedModule, loadModule, testChip } from "./firmware.js";
import type { ModuleDevice } from "./modules.js";
import type { StoreExports } from "./store-driver.js";

/** SLOT_STORE of firmware/lib/slots.ts. */
const SLOT_STORE = 2;
const VALUE_BYTES_MAX = 1024;
/** Types that an abort may write: clock, bad-id list, log, and the transferor's counter (docs/PROTOCOLS.md, section 1, rollback). */
const TYPE_CLOCK = 0x03;
const TYPE_BAD_IDS = 0x05;
const TYPE_LOG = 0x06;
const TYPE_COUNTER = 0x13;
const MAY_CHANGE: ReadonlySet<number> = new Set([TYPE_CLOCK, TYPE_BAD_IDS, TYPE_LOG, TYPE_COUNTER]);

const DIGEST_BYTES = 32;

/** A store that no power-up would find whole. */
export class StoreMountError extends Error {
  override readonly name = "StoreMountError";

  constructor(chip: string, status: number) {
    super(`the store of ${chip} cannot be mounted: ${status}`);
  }
}

export type Records = ReadonlyMap<number, string>;

export class RecordReader {
  readonly #twin: Chip;
  readonly #module: LoadedModule<StoreExports>;
  readonly #pristine: Uint8Array;

  private constructor(twin: Chip, module: LoadedModule<StoreExports>) {
    this.#twin = twin;
    this.#module = module;
    this.#pristine = new Uint8Array(module.memory.buffer).slice();
  }

  /** For chips with this flash; by default the usual one. */
  static async create(geometry?: FlashGeometry): Promise<RecordReader> {
    const twin = testChip("record reader", geometry === undefined ? {} : { geometry });
    return new RecordReader(twin, await loadModule<StoreExports>("store", twin, "release"));
  }

  /** Key to value, both of which a power cut at this moment would leave. */
  read(module: ModuleDevice): Records {
    return this.readChip(module.simulated.chip.snapshot(), module.device.name);
  }

  #mount(snapshot: Uint8Array, name: string): StoreExports {
    this.#twin.restore(snapshot);
    new Uint8Array(this.#module.memory.buffer).set(this.#pristine);
    const mounted = this.#module.exports.storeMount(SLOT_STORE);
    if (mounted !== 0) throw new StoreMountError(name, mounted);
    return this.#module.exports;
  }

  /** Digest of all records, in hex. */
  digest(snapshot: Uint8Array, name: string): string {
    const store = this.#mount(snapshot, name);
    const room = this.#module.allocate(DIGEST_BYTES);
    store.storeDigest(room);
    const digest = toHex(this.#module.read(room, DIGEST_BYTES));
    this.#module.release();
    return digest;
  }

  /** As `read`, of a chip's snapshot. */
  readChip(snapshot: Uint8Array, name: string): Records {
    const store = this.#mount(snapshot, name);
    const room = this.#module.allocate(VALUE_BYTES_MAX);
    const records = new Map<number, string>();
    for (let key = store.storeNext(0, -1) >>> 0; key !== 0; key = store.storeNext(key, -1) >>> 0) {
      const length = store.storeRead(key, 0, room, VALUE_BYTES_MAX);
      if (length < 0) throw new Error(`record ${key.toString(16)} of ${name} cannot be read: ${length}`);
      records.set(key, toHex(this.#module.read(room, length)));
    }
    this.#module.release();
    return records;
  }
}

/** Records that differ and that an abort may not touch, by key. */
export function changedRecords(before: Records, after: Records): string[] {
  const changed: string[] = [];
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    if (!MAY_CHANGE.has(key >>> 24) && before.get(key) !== after.get(key)) changed.push(key.toString(16));
  }
  return changed;
}

const KEY_COUNTER = 0x13000000;

/** The value that the transferor's counter has next: [version | next u64], little-endian; 1 while there is no record. */
export function transferCounter(records: Records): bigint {
  const record = records.get(KEY_COUNTER);
  return record === undefined ? 1n : Buffer.from(record, "hex").readBigUInt64LE(1);
}
