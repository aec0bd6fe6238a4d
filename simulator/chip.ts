/**
 * The hardware of one element: flash, key slots, counter, clock and random source. It implements the platform interface
 * (firmware/platform/interface.ts), which see for what each function does, and knows nothing of money.
 */

import type { Cryptography, SigningKey } from "./crypto.js";
import { HKDF_BYTES_MAX, hkdfSha256 } from "./crypto.js";
import type { OperationHook, OperationKind } from "./faults.js";
import { PowerCut } from "./faults.js";
import type { FlashGeometry, FlashStorage } from "./flash.js";
import { DEFAULT_GEOMETRY, Flash, MemoryFlashStorage } from "./flash.js";
import type { Platform } from "./platform.generated.js";
import {
  KEY_BYTES,
  KeyKind,
  PlatformError,
  SLOTS_PERSISTENT,
  SLOTS_VOLATILE,
  TAG_BYTES,
} from "./platform.generated.js";
import type { Randomness } from "./randomness.js";
import type { Clock } from "./time.js";

const SLOTS = SLOTS_PERSISTENT + SLOTS_VOLATILE;
/** A kind byte and 32 secret bytes. */
const SLOT_BYTES = 1 + KEY_BYTES;
const COUNTER_BYTES = 4;
/** The counter, then the slots: what is kept without power comes first. */
export const REGISTER_BYTES_PERSISTENT = COUNTER_BYTES + SLOTS_PERSISTENT * SLOT_BYTES;
const REGISTER_BYTES = COUNTER_BYTES + SLOTS * SLOT_BYTES;
/** When power came, in a snapshot. */
const CLOCK_BYTES = 8;
/** Results are i32, so the counter ends here. */
const COUNTER_MAX = 0x7fffffff;
const NOTHING = new Uint8Array(0);

/** What outlives power besides flash: counter and persistent slots, `REGISTER_BYTES_PERSISTENT` bytes, replaced as one. */
export interface RegisterStorage {
  load(): Uint8Array | undefined;
  save(registers: Uint8Array): void;
}

export interface ChipParts {
  readonly cryptography: Cryptography;
  readonly randomness: Randomness;
  readonly clock: Clock;
  readonly geometry?: FlashGeometry;
  readonly flashStorage?: FlashStorage;
  readonly registerStorage?: RegisterStorage;
  /** A chip without a monotonic counter answers NotSupported. Default: it has one. */
  readonly hasCounter?: boolean;
}

export class Chip implements Platform {
  readonly flash: Flash;
  private readonly registers = new Uint8Array(REGISTER_BYTES);
  private readonly counter = new DataView(this.registers.buffer, 0, COUNTER_BYTES);
  private readonly signingKeys: (SigningKey | undefined)[] = new Array(SLOTS).fill(undefined);
  private readonly agreementKeys: (Uint8Array | undefined)[] = new Array(SLOTS).fill(undefined);
  private poweredOnAtMs: number;
  private hook: OperationHook | undefined;

  constructor(private readonly parts: ChipParts) {
    const geometry = parts.geometry ?? DEFAULT_GEOMETRY;
    this.flash = new Flash(geometry, parts.flashStorage ?? new MemoryFlashStorage(geometry));
    const stored = parts.registerStorage?.load();
    if (stored !== undefined) {
      if (stored.length !== REGISTER_BYTES_PERSISTENT) throw new RangeError("registerStorage: not the keys of a chip");
      this.registers.set(stored);
    }
    this.poweredOnAtMs = parts.clock.nowMs();
  }

  /** Called before each operation that changes what is kept without power: flash, persistent slots, counter. */
  set onOperation(hook: OperationHook | undefined) {
    this.hook = hook;
    this.flash.onOperation = hook;
  }

  get onOperation(): OperationHook | undefined {
    return this.hook;
  }

  /** Power comes: volatile slots are empty, and the clock starts at zero. */
  powerOn(): void {
    this.registers.fill(0, REGISTER_BYTES_PERSISTENT);
    this.forgetDerived();
    this.poweredOnAtMs = this.parts.clock.nowMs();
  }

  // Flash.

  flashPageSize(): number {
    return this.flash.geometry.pageSizeBytes;
  }

  flashPageCount(): number {
    return this.flash.geometry.pageCount;
  }

  flashWordSize(): number {
    return this.flash.geometry.wordSizeBytes;
  }

  flashRead(address: number, destination: Uint8Array): number {
    return this.flash.read(address, destination);
  }

  flashProgram(address: number, source: Uint8Array): number {
    return this.flash.program(address, source);
  }

  flashErase(page: number): number {
    return this.flash.erase(page);
  }

  // Random, clock, counter.

  randomBytes(destination: Uint8Array): number {
    this.parts.randomness.fill(destination);
    return 0;
  }

  clockSeconds(): number {
    const elapsedMs = Math.max(0, this.parts.clock.nowMs() - this.poweredOnAtMs);
    return Math.min(Math.floor(elapsedMs / 1000), COUNTER_MAX);
  }

  counterRead(): number {
    if (this.parts.hasCounter === false) return PlatformError.NotSupported;
    return this.counter.getUint32(0, true);
  }

  counterIncrement(): number {
    if (this.parts.hasCounter === false) return PlatformError.NotSupported;
    const next = this.counter.getUint32(0, true) + 1;
    if (next > COUNTER_MAX) return PlatformError.CounterExhausted;
    this.changeRegisters("counter-increment", 0, () => this.counter.setUint32(0, next, true));
    return next;
  }

  // Key slots.

  slotKind(slot: number): number {
    return slot < SLOTS ? this.kindOf(slot) : PlatformError.InvalidArgument;
  }

  slotGenerate(slot: number, kind: number): number {
    const isKnown = kind === KeyKind.Ed25519 || kind === KeyKind.X25519 || kind === KeyKind.Secret;
    if (slot >= SLOTS || !isKnown) return PlatformError.InvalidArgument;
    const secret = new Uint8Array(KEY_BYTES);
    this.parts.randomness.fill(secret);
    this.writeSlot(slot, kind, secret);
    secret.fill(0);
    return 0;
  }

  slotPut(slot: number, secret: Uint8Array): number {
    if (slot >= SLOTS) return PlatformError.InvalidArgument;
    this.writeSlot(slot, KeyKind.Secret, secret);
    return 0;
  }

  slotErase(slot: number): number {
    if (slot >= SLOTS) return PlatformError.InvalidArgument;
    if (this.kindOf(slot) !== KeyKind.Empty) this.writeSlot(slot, KeyKind.Empty, new Uint8Array(KEY_BYTES));
    return 0;
  }

  slotPublic(slot: number, destination: Uint8Array): number {
    if (slot >= SLOTS) return PlatformError.InvalidArgument;
    const kind = this.kindOf(slot);
    if (kind === KeyKind.Empty) return PlatformError.SlotEmpty;
    if (kind === KeyKind.Ed25519) destination.set(this.signingKey(slot).publicKey);
    else if (kind === KeyKind.X25519) destination.set(this.agreementKey(slot));
    else return PlatformError.WrongKind;
    return 0;
  }

  slotDerive(slot: number, info: Uint8Array, destination: Uint8Array): number {
    const status = this.requireKind(slot, KeyKind.Secret);
    if (status !== 0) return status;
    return this.hkdfSha256(NOTHING, this.secretOf(slot), info, destination);
  }

  // Cryptography.

  ed25519Sign(slot: number, message: Uint8Array, signature: Uint8Array): number {
    const status = this.requireKind(slot, KeyKind.Ed25519);
    if (status !== 0) return status;
    if (overlap(message, signature)) return PlatformError.InvalidArgument;
    this.parts.cryptography.ed25519Sign(this.signingKey(slot), message, signature);
    return 0;
  }

  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): number {
    return this.parts.cryptography.ed25519Verify(publicKey, message, signature) ? 0 : PlatformError.BadSignature;
  }

  x25519Agree(slot: number, publicKey: Uint8Array, destination: Uint8Array): number {
    const status = this.requireKind(slot, KeyKind.X25519);
    if (status !== 0) return status;
    const isGood = this.parts.cryptography.x25519Agree(this.secretOf(slot), publicKey, destination);
    return isGood ? 0 : PlatformError.BadKey;
  }

  sha256(message: Uint8Array, destination: Uint8Array): number {
    this.parts.cryptography.sha256(message, destination);
    return 0;
  }

  hmacSha256(key: Uint8Array, message: Uint8Array, destination: Uint8Array): number {
    this.parts.cryptography.hmacSha256(key, message, destination);
    return 0;
  }

  hkdfSha256(salt: Uint8Array, material: Uint8Array, info: Uint8Array, destination: Uint8Array): number {
    if (destination.length > HKDF_BYTES_MAX) return PlatformError.InvalidArgument;
    hkdfSha256(this.parts.cryptography, salt, material, info, destination);
    return 0;
  }

  aeadSeal(
    key: Uint8Array,
    nonce: Uint8Array,
    associated: Uint8Array,
    plaintext: Uint8Array,
    ciphertext: Uint8Array,
  ): number {
    const fits = ciphertext.length === plaintext.length + TAG_BYTES;
    if (!fits || !isSamePlaceOrApart(plaintext, ciphertext)) return PlatformError.InvalidArgument;
    if (overlap(associated, ciphertext) || overlap(key, ciphertext) || overlap(nonce, ciphertext)) {
      return PlatformError.InvalidArgument;
    }
    this.parts.cryptography.aeadSeal(key, nonce, associated, plaintext, ciphertext);
    return 0;
  }

  aeadOpen(
    key: Uint8Array,
    nonce: Uint8Array,
    associated: Uint8Array,
    ciphertext: Uint8Array,
    plaintext: Uint8Array,
  ): number {
    const fits = ciphertext.length === plaintext.length + TAG_BYTES;
    if (!fits || !isSamePlaceOrApart(ciphertext, plaintext)) return PlatformError.InvalidArgument;
    if (overlap(associated, plaintext) || overlap(key, plaintext) || overlap(nonce, plaintext)) {
      return PlatformError.InvalidArgument;
    }
    const isGood = this.parts.cryptography.aeadOpen(key, nonce, associated, ciphertext, plaintext);
    return isGood ? 0 : PlatformError.BadTag;
  }

  // The chip as a value.

  get snapshotBytes(): number {
    return this.flash.snapshotBytes + REGISTER_BYTES + CLOCK_BYTES + this.parts.randomness.state().length;
  }

  /** Flash, wear, keys, counter, clock and a seeded random source. */
  snapshot(): Uint8Array {
    const bytes = new Uint8Array(this.snapshotBytes);
    this.snapshotInto(bytes);
    return bytes;
  }

  /** Writes the snapshot into `snapshotBytes` bytes of another, which saves a copy of the flash. */
  snapshotInto(destination: Uint8Array): void {
    const flashEnd = this.flash.snapshotBytes;
    const registersEnd = flashEnd + REGISTER_BYTES;
    this.flash.snapshotInto(destination.subarray(0, flashEnd));
    destination.set(this.registers, flashEnd);
    const clock = new DataView(destination.buffer, destination.byteOffset + registersEnd, CLOCK_BYTES);
    clock.setFloat64(0, this.poweredOnAtMs, true);
    destination.set(this.parts.randomness.state(), registersEnd + CLOCK_BYTES);
  }

  /** What is kept without power beside flash: the counter and the persistent slots. */
  persistentRegisters(): Uint8Array {
    return this.registers.slice(0, REGISTER_BYTES_PERSISTENT);
  }

  restore(snapshot: Uint8Array): void {
    if (snapshot.length !== this.snapshotBytes) throw new RangeError("snapshot: of another kind of chip");
    const flashEnd = this.flash.snapshotBytes;
    const registersEnd = flashEnd + REGISTER_BYTES;
    this.flash.restore(snapshot.subarray(0, flashEnd));
    this.registers.set(snapshot.subarray(flashEnd, registersEnd));
    this.poweredOnAtMs = new DataView(snapshot.buffer, snapshot.byteOffset + registersEnd, CLOCK_BYTES).getFloat64(
      0,
      true,
    );
    this.parts.randomness.setState(snapshot.subarray(registersEnd + CLOCK_BYTES));
    this.forgetDerived();
    this.saveRegisters();
  }

  private kindOf(slot: number): number {
    return this.registers[COUNTER_BYTES + slot * SLOT_BYTES] ?? KeyKind.Empty;
  }

  private secretOf(slot: number): Uint8Array {
    const start = COUNTER_BYTES + slot * SLOT_BYTES + 1;
    return this.registers.subarray(start, start + KEY_BYTES);
  }

  private requireKind(slot: number, kind: number): number {
    if (slot >= SLOTS) return PlatformError.InvalidArgument;
    const held = this.kindOf(slot);
    if (held === KeyKind.Empty) return PlatformError.SlotEmpty;
    return held === kind ? 0 : PlatformError.WrongKind;
  }

  private signingKey(slot: number): SigningKey {
    this.signingKeys[slot] ??= this.parts.cryptography.ed25519Key(this.secretOf(slot));
    return this.signingKeys[slot];
  }

  private agreementKey(slot: number): Uint8Array {
    const known = this.agreementKeys[slot];
    if (known !== undefined) return known;
    const publicKey = new Uint8Array(KEY_BYTES);
    this.parts.cryptography.x25519Public(this.secretOf(slot), publicKey);
    this.agreementKeys[slot] = publicKey;
    return publicKey;
  }

  private forgetDerived(): void {
    for (const key of this.signingKeys) key?.secretKey.fill(0);
    this.signingKeys.fill(undefined);
    this.agreementKeys.fill(undefined);
  }

  private writeSlot(slot: number, kind: number, secret: Uint8Array): void {
    const write = () => {
      this.registers[COUNTER_BYTES + slot * SLOT_BYTES] = kind;
      this.secretOf(slot).set(secret);
      this.signingKeys[slot]?.secretKey.fill(0);
      this.signingKeys[slot] = undefined;
      this.agreementKeys[slot] = undefined;
    };
    if (slot < SLOTS_PERSISTENT) this.changeRegisters("slot-write", slot, write);
    else write();
  }

  /** Registers change as one: a cut falls before or after. */
  private changeRegisters(kind: OperationKind, address: number, apply: () => void): void {
    const operation = { kind, address, lengthBytes: 0 };
    const fate = this.hook?.(operation);
    if (fate === undefined) {
      apply();
      this.saveRegisters();
      return;
    }
    if (!("cut" in fate)) throw new RangeError("fate: only flash operations can fail");
    if (fate.cut === "after") {
      apply();
      this.saveRegisters();
    } else if (fate.cut !== "before") throw new RangeError("cut: keys and counter change as one, before or after");
    throw new PowerCut(operation);
  }

  private saveRegisters(): void {
    this.parts.registerStorage?.save(this.persistentRegisters());
  }
}

function overlap(a: Uint8Array, b: Uint8Array): boolean {
  if (a.buffer !== b.buffer || a.length === 0 || b.length === 0) return false;
  return a.byteOffset < b.byteOffset + b.length && b.byteOffset < a.byteOffset + a.length;
}

function isSamePlaceOrApart(input: Uint8Array, output: Uint8Array): boolean {
  return (input.buffer === output.buffer && input.byteOffset === output.byteOffset) || !overlap(input, output);
}
