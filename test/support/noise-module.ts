/** `test/firmware/noise.module.ts` on a chip whose keys the test plants, with bytes in place of addresses. */

import { hostNoiseCrypto, type NoiseCrypto } from "../../host/codec/noise.js";
import type { Chip } from "../../simulator/chip.js";
import { KeyKind } from "../../simulator/platform.generated.js";
import { type Randomness, SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { type LoadedModule, loadModule, testChip } from "./firmware.js";

export const SESSION_NONE = 0;
export const SESSION_HANDSHAKE = 1;
export const SESSION_OPEN = 2;

const SCRATCH_BYTES = 16384;
const INPUT = 0;
const PROLOGUE = 4096;
const OUTPUT = 8192;
const OUTPUT_BYTES = SCRATCH_BYTES - OUTPUT;
const UNTOUCHED = 0xee;

/** A random source that gives the keys it was handed first. */
class PlantedRandomness implements Randomness {
  readonly #planted: Uint8Array[] = [];
  readonly #rest = new SeededRandomness(sodiumCryptography, "noise");

  plant(...keys: readonly Uint8Array[]): void {
    this.#planted.push(...keys);
  }

  clear(): void {
    this.#planted.length = 0;
  }

  fill(destination: Uint8Array): void {
    const planted = this.#planted.shift();
    if (planted === undefined) this.#rest.fill(destination);
    else destination.set(planted);
  }

  state(): Uint8Array {
    return this.#rest.state();
  }

  setState(state: Uint8Array): void {
    this.#rest.setState(state);
  }
}

export interface Placement {
  /** Where the output ends, if not far behind what is written. */
  readonly capacity?: number;
  /** The output starts where the input does. */
  readonly inPlace?: boolean;
}

export class NoiseModule {
  readonly #loaded: LoadedModule<Record<string, (...values: number[]) => number>>;
  readonly #chip: Chip;
  readonly #randomness: PlantedRandomness;
  readonly #scratch: number;

  constructor(
    loaded: LoadedModule<Record<string, (...values: number[]) => number>>,
    chip: Chip,
    randomness: PlantedRandomness,
  ) {
    this.#loaded = loaded;
    this.#chip = chip;
    this.#randomness = randomness;
    this.#scratch = loaded.call("scratchAddress");
  }

  /** Puts an X25519 private key into a slot. */
  plant(slot: number, privateKey: Uint8Array): void {
    this.#randomness.clear();
    this.#randomness.plant(privateKey);
    this.generate(slot, KeyKind.X25519);
  }

  /** What the next keys made will be. */
  nextPrivate(...privateKeys: readonly Uint8Array[]): void {
    this.#randomness.clear();
    this.#randomness.plant(...privateKeys);
  }

  generate(slot: number, kind: number): void {
    if (this.#chip.slotGenerate(slot, kind) !== 0) throw new Error(`slot ${slot} took no key`);
  }

  kindOf(slot: number): number {
    return this.#chip.slotKind(slot);
  }

  session(index: number): SessionHandle {
    return new SessionHandle(this, index);
  }

  channel(index: number): ChannelHandle {
    return new ChannelHandle(this, index);
  }

  sealTo(remoteStatic: Uint8Array, prologue: Uint8Array, ephemeralSlot: number, plain: Uint8Array): Uint8Array {
    const remote = this.place(remoteStatic, PROLOGUE + 2048);
    const context = this.place(prologue, PROLOGUE);
    const input = this.place(plain, INPUT);
    const out = this.clearOutput();
    const status = this.call("seal1", remote, context, prologue.length, ephemeralSlot, input, plain.length, out, 8192);
    return this.#taken(status);
  }

  openSealed(staticSlot: number, prologue: Uint8Array, sealed: Uint8Array): Uint8Array {
    return this.#taken(this.tryOpenSealed(staticSlot, prologue, sealed));
  }

  tryOpenSealed(staticSlot: number, prologue: Uint8Array, sealed: Uint8Array): number {
    const context = this.place(prologue, PROLOGUE);
    const input = this.place(sealed, INPUT);
    return this.call("open1", staticSlot, context, prologue.length, input, sealed.length, this.clearOutput(), 8192);
  }

  /** All of linear memory. */
  image(): Uint8Array {
    return this.bytes(0, this.#loaded.memory.buffer.byteLength);
  }

  clearScratch(): void {
    new Uint8Array(this.#loaded.memory.buffer).fill(0, this.#scratch, this.#scratch + SCRATCH_BYTES);
  }

  inPlaceResult(length: number): Uint8Array {
    return this.bytes(this.#scratch + INPUT, length);
  }

  output(length: number): Uint8Array {
    return this.bytes(this.#scratch + OUTPUT, length);
  }

  /** Whether anything was written at the output, from `start` on. */
  outputTouched(start = 0): boolean {
    return this.bytes(this.#scratch + OUTPUT, OUTPUT_BYTES)
      .subarray(start)
      .some((byte) => byte !== UNTOUCHED);
  }

  /** A function over input bytes and an output, as most are: its status. */
  transform(name: string, index: number, input: Uint8Array, placement: Placement = {}): number {
    const address = this.place(input, INPUT);
    const output = this.clearOutput();
    const capacity = placement.capacity ?? (placement.inPlace ? OUTPUT - INPUT : OUTPUT_BYTES);
    const status = this.call(name, index, address, input.length, placement.inPlace ? address : output, capacity);
    // A handshake message that fails half way leaves public keys where it would have been, nothing beyond.
    const written = name === "write" && status < 0 ? Math.min(capacity, input.length + 96) : Math.max(status, 0);
    if (this.outputTouched(written)) throw new Error(`${name} answered ${status} and wrote beyond ${written} bytes`);
    return status;
  }

  transformed(name: string, index: number, input: Uint8Array): Uint8Array {
    return this.#taken(this.transform(name, index, input));
  }

  place(bytes: Uint8Array, offset: number): number {
    new Uint8Array(this.#loaded.memory.buffer).set(bytes, this.#scratch + offset);
    return this.#scratch + offset;
  }

  prologue(bytes: Uint8Array): number {
    return this.place(bytes, PROLOGUE);
  }

  clearOutput(): number {
    const start = this.#scratch + OUTPUT;
    new Uint8Array(this.#loaded.memory.buffer).fill(UNTOUCHED, start, start + OUTPUT_BYTES);
    return start;
  }

  bytes(address: number, length: number): Uint8Array {
    return this.#loaded.read(address, length);
  }

  call(name: string, ...values: number[]): number {
    return this.#loaded.call(name, ...values);
  }

  #taken(status: number): Uint8Array {
    if (status < 0) throw new Error(`the firmware answered ${status}`);
    return this.output(status);
  }
}

/** One of the module's two sessions. `try...` answers the status, the others throw where it is negative. */
export class SessionHandle {
  readonly #module: NoiseModule;
  readonly #index: number;
  #openedBytes = 0;

  constructor(module: NoiseModule, index: number) {
    this.#module = module;
    this.#index = index;
  }

  begin(initiator: boolean, prologue: Uint8Array, staticSlot: number, ephemeralSlot: number): number {
    const address = this.#module.prologue(prologue);
    const role = initiator ? 1 : 0;
    return this.#module.call("begin", this.#index, role, address, prologue.length, staticSlot, ephemeralSlot);
  }

  write(payload: Uint8Array): Uint8Array {
    return this.#module.transformed("write", this.#index, payload);
  }

  tryWrite(payload: Uint8Array, capacity?: number): number {
    return this.#module.transform("write", this.#index, payload, capacity === undefined ? {} : { capacity });
  }

  read(message: Uint8Array): Uint8Array {
    return this.#module.transformed("read", this.#index, message);
  }

  tryRead(message: Uint8Array, placement: Placement = {}): number {
    return this.#module.transform("read", this.#index, message, placement);
  }

  seal(plain: Uint8Array): Uint8Array {
    return this.#module.transformed("seal", this.#index, plain);
  }

  trySeal(plain: Uint8Array, placement: Placement = {}): number {
    return this.#module.transform("seal", this.#index, plain, placement);
  }

  open(sealed: Uint8Array): Uint8Array {
    return this.#module.transformed("open", this.#index, sealed);
  }

  tryOpen(sealed: Uint8Array, placement: Placement = {}): number {
    const status = this.#module.transform("open", this.#index, sealed, placement);
    this.#openedBytes = Math.max(status, 0);
    return status;
  }

  /** What the last tryOpen gave. */
  opened(): Uint8Array {
    return this.#module.output(this.#openedBytes);
  }

  outputTouched(): boolean {
    return this.#module.outputTouched();
  }

  exportSecret(info: Uint8Array): Uint8Array {
    const status = this.tryExport(info);
    if (status !== 0) throw new Error(`the firmware answered ${status}`);
    return this.#module.output(32);
  }

  tryExport(info: Uint8Array): number {
    const address = this.#module.prologue(info);
    return this.#module.call("exportSecret", this.#index, address, info.length, this.#module.clearOutput());
  }

  forgetExport(): void {
    this.#module.call("forgetExport", this.#index);
  }

  end(): void {
    this.#module.call("end", this.#index);
  }

  hash(): Uint8Array {
    return this.#module.bytes(this.#module.call("hash", this.#index), 32);
  }

  remoteStatic(): Uint8Array {
    return this.#module.bytes(this.#module.call("remoteStatic", this.#index), 32);
  }

  state(): number {
    return this.#module.call("state", this.#index);
  }

  errors(): number {
    return this.#module.call("errors", this.#index);
  }

  /** All that the session holds. */
  image(): Uint8Array {
    return this.#module.bytes(this.#module.call("sessionAddress", this.#index), this.#module.call("sessionBytes"));
  }
}

/** One of the module's two channels. */
export class ChannelHandle {
  readonly #module: NoiseModule;
  readonly #index: number;

  constructor(module: NoiseModule, index: number) {
    this.#module = module;
    this.#index = index;
  }

  begin(key: Uint8Array, initiator: boolean): number {
    return this.#module.call("linkBegin", this.#index, this.#module.prologue(key), initiator ? 1 : 0);
  }

  seal(plain: Uint8Array): Uint8Array {
    return this.#module.transformed("linkSeal", this.#index, plain);
  }

  trySeal(plain: Uint8Array, placement: Placement = {}): number {
    return this.#module.transform("linkSeal", this.#index, plain, placement);
  }

  open(sealed: Uint8Array): Uint8Array {
    return this.#module.transformed("linkOpen", this.#index, sealed);
  }

  tryOpen(sealed: Uint8Array, placement: Placement = {}): number {
    return this.#module.transform("linkOpen", this.#index, sealed, placement);
  }

  output(length: number): Uint8Array {
    return this.#module.output(length);
  }

  end(): void {
    this.#module.call("linkEnd", this.#index);
  }

  state(): number {
    return this.#module.call("linkState", this.#index);
  }

  errors(): number {
    return this.#module.call("linkErrors", this.#index);
  }

  image(): Uint8Array {
    return this.#module.bytes(this.#module.call("linkAddress", this.#index), this.#module.call("linkBytes"));
  }
}

/** The host's cryptography, keeping every secret that a handshake makes, so that a test can look for it elsewhere. */
export class RecordingCrypto implements NoiseCrypto {
  readonly secrets: Uint8Array[] = [];
  readonly publicKey = hostNoiseCrypto.publicKey;
  readonly sha256 = hostNoiseCrypto.sha256;
  readonly seal = hostNoiseCrypto.seal;
  readonly open = hostNoiseCrypto.open;

  agree(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
    const secret = hostNoiseCrypto.agree(privateKey, publicKey);
    if (secret !== undefined) this.secrets.push(secret.slice());
    return secret;
  }

  hkdf(salt: Uint8Array, material: Uint8Array, info: Uint8Array, length: number): Uint8Array {
    const derived = hostNoiseCrypto.hkdf(salt, material, info, length);
    for (let at = 0; at < derived.length; at += 32) this.secrets.push(derived.slice(at, at + 32));
    return derived;
  }

  /** Those of the secrets that lie in an image of memory. */
  found(image: Uint8Array): Uint8Array[] {
    return this.secrets.filter((secret) => contains(image, secret));
  }
}

export function contains(image: Uint8Array, part: Uint8Array): boolean {
  return Buffer.from(image).includes(Buffer.from(part));
}

/** A fresh module on a fresh chip. */
export async function loadNoiseModule(target: "debug" | "release" = "debug"): Promise<NoiseModule> {
  const randomness = new PlantedRandomness();
  const chip = testChip("noise", { randomness });
  return new NoiseModule(await loadModule("noise", chip, target), chip, randomness);
}
