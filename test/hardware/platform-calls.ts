/** Calls of every function of the platform with likely, odd and impossible numbers: a board must do what the simulator does. */

import { PLATFORM_FUNCTIONS, type PlatformFunction } from "../../firmware/platform/interface.js";
import type { BoardUnderTest } from "./board.js";
import { MEMORY_BYTES, TwinPlatforms } from "./calls.js";
import { Draws } from "./sessions.js";
import { strictCases } from "./signature-cases.js";

const LENGTHS = [0, 1, 4, 8, 12, 16, 31, 32, 33, 64, 100, 256, 1000, 4096];
const EDGES = [0, 1, 32, MEMORY_BYTES - 32, MEMORY_BYTES - 1, MEMORY_BYTES, 0xffffffff, 0xffffffe0, 0x7fffffff];
/** What the first parameters of these are, in the range that there is and a little beyond. */
const RANGES: Readonly<Record<string, number>> = { slot: 26, kind: 5, page: 66 };
/** Of info that overlaps a longer output, a board takes no more (hardware/platform/hashes.c). */
const OVERLAPPING_INFO_BYTES_MAX = 256;
const HASH_BYTES = 32;
/** Random bytes that memory is given now and then. */
const SPRINKLED_BYTES = 2048;

function anyNumber(name: string, draws: Draws): number {
  if (draws.below(12) === 0) return draws.pick(EDGES);
  if (name === "address")
    return 4 * draws.below(70) + (draws.below(3) === 0 ? 4096 - 140 : 0) + Number(draws.below(10) === 0);
  return draws.below(RANGES[name] ?? 100);
}

function anyBuffer(bytes: number | undefined, draws: Draws): [number, number] {
  if (draws.below(30) === 0) return [draws.pick(EDGES), bytes ?? draws.pick(LENGTHS)];
  const length = bytes === undefined || draws.below(30) === 0 ? draws.pick(LENGTHS) : bytes;
  return [draws.below(MEMORY_BYTES - length + 1), length];
}

function anyArguments(declared: PlatformFunction, draws: Draws): number[] {
  const values = declared.parameters.flatMap(({ name, kind, bytes }) =>
    kind === "u32" ? [anyNumber(name, draws)] : anyBuffer(bytes, draws),
  );
  return fitted(declared.name, values, draws);
}

/** Mostly lengths that fit each other, and now and then the same place. */
function fitted(name: string, values: number[], draws: Draws): number[] {
  if (name !== "aead_seal" && name !== "aead_open") return values;
  // Where the lengths of input and output are.
  const [input, output] = [7, 9];
  const [longer, shorter] = name === "aead_seal" ? [output, input] : [input, output];
  if (draws.below(10) !== 0) values[longer] = (values[shorter] ?? 0) + 16;
  if (draws.below(3) === 0) values[output - 1] = values[input - 1] ?? 0;
  return values;
}

/** What a board answers in another way than the simulator, and says so. */
function isLimited(name: string, values: readonly number[]): boolean {
  if (name !== "hkdf_sha256" && name !== "slot_derive") return false;
  const [info = 0, infoLength = 0, output = 0, outputLength = 0] = values.slice(-4);
  const overlaps = info < output + outputLength && output < info + infoLength;
  return overlaps && infoLength > OVERLAPPING_INFO_BYTES_MAX && outputLength > HASH_BYTES;
}

async function callAny(twins: TwinPlatforms, draws: Draws): Promise<number> {
  const declared = draws.pick(PLATFORM_FUNCTIONS);
  const values = anyArguments(declared, draws);
  return isLimited(declared.name, values) ? 0 : twins.call(declared.name, ...values);
}

/** Seals or signs, and opens or verifies what came of it, whole and with a bit turned over. */
async function callPairs(twins: TwinPlatforms, draws: Draws): Promise<void> {
  const length = draws.pick([0, 1, 15, 64, 500]);
  const [key, nonce, data, text, sealedAt, opened] = [0, 32, 48, 1000, 2000, 3000];
  await twins.call("aead_seal", key, 32, nonce, 12, data, 20, text, length, sealedAt, length + 16);
  await twins.call("aead_open", key, 32, nonce, 12, data, 20, sealedAt, length + 16, opened, length);
  await flip(twins, sealedAt + draws.below(length + 16), draws);
  await twins.call("aead_open", key, 32, nonce, 12, data, 20, sealedAt, length + 16, opened, length);
  const slot = draws.below(24);
  await twins.call("slot_generate", slot, 1);
  await twins.call("slot_public", slot, 4000, 32);
  await twins.call("ed25519_sign", slot, text, length, 5000, 64);
  await twins.call("ed25519_verify", 4000, 32, text, length, 5000, 64);
  await flip(twins, 5000 + draws.below(64), draws);
  await twins.call("ed25519_verify", 4000, 32, text, length, 5000, 64);
}

/** Each buffer of each function where memory ends, one byte beyond, and where address and length together are no address. */
async function callEnds(twins: TwinPlatforms): Promise<void> {
  for (const declared of PLATFORM_FUNCTIONS) {
    const buffers = declared.parameters.filter(({ kind }) => kind !== "u32");
    for (const [chosen, buffer] of buffers.entries()) {
      const own = buffer.bytes ?? HASH_BYTES;
      const ends = [MEMORY_BYTES - own, MEMORY_BYTES - own + 1, MEMORY_BYTES + 1, 0xffffffff - own + 1, 0xffffffff];
      for (const [address, length] of [...ends.map((end) => [end, own] as const), [MEMORY_BYTES + 1, 0] as const]) {
        let count = 0;
        const values = declared.parameters.flatMap(({ name, kind, bytes }) => {
          if (kind === "u32") return [name === "page" ? 1 : 0];
          const place = count++;
          return place === chosen ? [address, length] : [place * 256, bytes ?? HASH_BYTES];
        });
        await twins.call(declared.name, ...values);
      }
    }
  }
}

async function flip(twins: TwinPlatforms, at: number, draws: Draws): Promise<void> {
  await twins.write(at, Uint8Array.of((twins.memory[at] ?? 0) ^ (1 << draws.below(8))));
}

/** Verification, each clause of its rule; and key agreement with points of small order. */
async function callStrict(twins: TwinPlatforms): Promise<number> {
  let accepted = 0;
  await twins.call("slot_generate", 3, 2);
  for (const { publicKey, message, signature } of strictCases()) {
    await twins.write(0, publicKey);
    await twins.write(32, signature);
    await twins.write(96, message);
    if ((await twins.call("ed25519_verify", 0, 32, 96, message.length, 32, 64)) === 0) accepted += 1;
    await twins.call("x25519_agree", 3, 0, 32, 8192, 32);
  }
  return accepted;
}

export interface CallsOutcome {
  readonly calls: number;
  /** Calls that were carried out. */
  readonly good: number;
  readonly accepted: number;
}

/** So many calls from a seed, with losses of power between them. */
export async function checkCalls(
  board: BoardUnderTest,
  folder: string,
  seed: string,
  count: number,
): Promise<CallsOutcome> {
  const draws = new Draws(`calls ${seed}`);
  const twins = await TwinPlatforms.start({ board, folder, seed });
  let good = 0;
  let accepted = 0;
  try {
    for (let number = 0; number < count; number++) {
      if (number % 50 === 0)
        await twins.write(draws.below(MEMORY_BYTES - SPRINKLED_BYTES), draws.bytes(SPRINKLED_BYTES));
      if (number % 97 === 0) await twins.power();
      if (number % 31 === 0) twins.advance(draws.below(5000));
      if (number % 40 === 0) await callPairs(twins, draws);
      if ((await callAny(twins, draws)) >= 0) good += 1;
    }
    await callEnds(twins);
    accepted = await callStrict(twins);
    for (const name of ["slot_kind", "slot_erase"]) {
      for (let slot = 0; slot < 25; slot++) await twins.call(name, slot);
    }
    await twins.end();
  } catch (error) {
    await twins.abandon();
    throw error;
  }
  return { calls: twins.calls, good, accepted };
}
