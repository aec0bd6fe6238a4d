/** Single pages and entries: reading and checking them, hashing them, and what their bytes say. */

import { flashPageCount, flashPageSize, flashRead, flashWordSize, hmacSha256, sha256 } from "../../platform/imports";
import { STORE_VALUE_BYTES_MAX } from "../../protocol/limits";
import { REASON_STORE_FAILURE } from "../../protocol/reasons";
import { equalConstantTime } from "../memory";
import {
  CHAIN_BYTES,
  COMMIT_BYTES,
  COMMIT_MAC,
  COMMIT_MAC_BYTES,
  ENTRY_CHECK,
  ENTRY_FIRST,
  ENTRY_HEADER_BYTES,
  ENTRY_KEY,
  ENTRY_KIND,
  ENTRY_LENGTH,
  FIRST,
  KIND_COMMIT,
  KIND_DELETE,
  KIND_PUT,
  PAGE_CHAIN,
  PAGE_CHECK,
  PAGE_HEADER_BYTES,
  PAGE_MAGIC,
  PAGE_SEQUENCE,
  PLACE_UNITS_MAX,
  POSITION_BYTES,
  UNIT_BYTES_MAX,
  UNIT_BYTES_MIN,
} from "./layout";
import { CHAIN, ENTRY, MAC, MAC_KEY, STAGE, state, VALUE } from "./state";
import { entryBytes, placeAddress, placeLength } from "./table";

const PAGE_BYTES_MIN: u32 = 4096;
const PAGE_BYTES_MAX: u32 = 131072;
const MIX_FACTOR: u32 = 0x9e3779b1;

function isPowerOfTwo(value: u32): bool {
  return popcnt(value) == 1;
}

/** Asks the platform for its flash, once at mount; a flash that breaks the preconditions is refused. */
export function loadGeometry(): i32 {
  const pageBytes = <u32>flashPageSize();
  const pages = <u32>flashPageCount();
  const wordBytes = <u32>flashWordSize();
  if (!isPowerOfTwo(pageBytes) || pageBytes < PAGE_BYTES_MIN || pageBytes > PAGE_BYTES_MAX)
    return -REASON_STORE_FAILURE;
  if (!isPowerOfTwo(wordBytes) || wordBytes > UNIT_BYTES_MAX) return -REASON_STORE_FAILURE;
  if (pages < 2 || pages > PLACE_UNITS_MAX) return -REASON_STORE_FAILURE;
  let unit = max(wordBytes, UNIT_BYTES_MIN);
  while (unit < UNIT_BYTES_MAX && pages > PLACE_UNITS_MAX / (pageBytes / unit)) unit <<= 1;
  if (pages > PLACE_UNITS_MAX / (pageBytes / unit)) return -REASON_STORE_FAILURE;
  state.pageBytes = pageBytes;
  state.pages = pages;
  state.unitShift = ctz(unit);
  state.headerBytes = (PAGE_HEADER_BYTES + unit - 1) & ~(unit - 1);
  return 0;
}

/** Flash address of a position in the page that has this sequence number. */
export function addressOf(sequence: u32, offset: u32): u32 {
  return (sequence % state.pages) * state.pageBytes + offset;
}

/**
 * A check against bit rot, not against people: each step is a bijection, so that a change within one 32-bit word never
 * goes unseen, and any other one time in 2^32.
 */
function mix(seed: u32, address: usize, length: u32): u32 {
  let hash = seed;
  for (let i: u32 = 0; i < length; i += 4) hash = rotl((hash ^ load<u32>(address + i)) * MIX_FACTOR, 15);
  return hash;
}

/** Check of the entry in ENTRY, which takes `bytes` in flash. */
export function entryCheck(bytes: u32): u32 {
  return mix(mix(bytes, ENTRY, <u32>ENTRY_CHECK), VALUE, bytes - <u32>ENTRY_HEADER_BYTES);
}

/** Check of the page header in ENTRY; it depends on the geometry, for a header means nothing under another. */
export function headerCheck(): u32 {
  const geometry = mix(state.pages, ENTRY, <u32>PAGE_CHECK) ^ (state.pageBytes + state.unitShift);
  return mix(geometry, ENTRY + PAGE_CHAIN, state.headerBytes - <u32>PAGE_CHAIN);
}

/** 1 and the header in ENTRY if the page carries one that belongs there; 0 if not; or a platform's error. */
export function readHeader(page: u32): i32 {
  const status = flashRead(page * state.pageBytes, ENTRY, state.headerBytes);
  if (status < 0) return status;
  if (load<u32>(ENTRY) != PAGE_MAGIC || load<u32>(ENTRY, PAGE_CHECK) != headerCheck()) return 0;
  const sequence = load<u32>(ENTRY, PAGE_SEQUENCE);
  return sequence >= state.pages && sequence % state.pages == page ? 1 : 0;
}

/** 1 if flash is erased from `offset` to the end of a page, 0 if not, or a platform's error. */
export function isBlank(page: u32, offset: u32): i32 {
  const start = page * state.pageBytes;
  while (offset < state.pageBytes) {
    const bytes = min<u32>(state.pageBytes - offset, STORE_VALUE_BYTES_MAX);
    const status = flashRead(start + offset, ENTRY, bytes);
    if (status < 0) return status;
    for (let i: u32 = 0; i < bytes; i += 4) {
      if (load<u32>(ENTRY + i) != 0xffffffff) return 0;
    }
    offset += bytes;
  }
  return 1;
}

/**
 * Reads the entry at a position into ENTRY. Its bytes in flash if it is well-formed (which is not to say authentic),
 * 0 if nothing well-formed is there, or a platform's error.
 */
export function readEntry(sequence: u32, offset: u32): i32 {
  if (offset + COMMIT_BYTES > state.pageBytes) return 0;
  const address = addressOf(sequence, offset);
  const status = flashRead(address, ENTRY, COMMIT_BYTES);
  if (status < 0) return status;
  if (load<u8>(ENTRY, ENTRY_FIRST) > <u8>FIRST) return 0;
  const kind = <u32>load<u8>(ENTRY, ENTRY_KIND);
  if (kind == KIND_COMMIT) return COMMIT_BYTES;
  const length = <u32>load<u16>(ENTRY, ENTRY_LENGTH);
  if (length > <u32>STORE_VALUE_BYTES_MAX || load<u32>(ENTRY, ENTRY_KEY) == 0) return 0;
  if (kind != KIND_PUT && (kind != KIND_DELETE || length != 0)) return 0;
  const bytes = entryBytes(length);
  if (offset + bytes + COMMIT_BYTES > state.pageBytes) return 0;
  if (bytes > COMMIT_BYTES) {
    const rest = flashRead(address + COMMIT_BYTES, ENTRY + COMMIT_BYTES, bytes - COMMIT_BYTES);
    if (rest < 0) return rest;
  }
  return load<u32>(ENTRY, ENTRY_CHECK) == entryCheck(bytes) ? bytes : 0;
}

/** Reads a committed record into ENTRY, checked against bit rot: the length of its value, or an error. */
export function readRecord(key: u32, place: u32): i32 {
  const length = placeLength(place);
  const bytes = entryBytes(length);
  const status = flashRead(placeAddress(place), ENTRY, bytes);
  if (status < 0) return status;
  const isIt =
    load<u32>(ENTRY, ENTRY_KEY) == key &&
    <u32>load<u16>(ENTRY, ENTRY_LENGTH) == length &&
    <u32>load<u8>(ENTRY, ENTRY_KIND) == KIND_PUT &&
    load<u32>(ENTRY, ENTRY_CHECK) == entryCheck(bytes);
  return isIt ? length : -REASON_STORE_FAILURE;
}

export function chainReset(): void {
  memory.fill(CHAIN, 0, CHAIN_BYTES);
}

function stagePosition(sequence: u32, offset: u32): void {
  memory.copy(STAGE, CHAIN, CHAIN_BYTES);
  store<u32>(STAGE, sequence, CHAIN_BYTES);
  store<u32>(STAGE, offset, CHAIN_BYTES + 4);
}

/** chain := SHA-256(chain, position, entry) for the entry in ENTRY. */
export function chainExtend(sequence: u32, offset: u32, bytes: u32): i32 {
  stagePosition(sequence, offset);
  return sha256(STAGE, CHAIN_BYTES + POSITION_BYTES + bytes, CHAIN, CHAIN_BYTES);
}

/** MAC := HMAC-SHA256(key, chain, position, commit entry) for the commit entry in ENTRY. */
export function commitMac(sequence: u32, offset: u32): i32 {
  stagePosition(sequence, offset);
  return hmacSha256(MAC_KEY, 32, STAGE, CHAIN_BYTES + POSITION_BYTES + <u32>COMMIT_MAC, MAC, 32);
}

/** 1 if the commit entry in ENTRY is authentic after what the chain has seen, 0 if not, or a platform's error. */
export function commitVerify(sequence: u32, offset: u32): i32 {
  const status = commitMac(sequence, offset);
  if (status < 0) return status;
  return equalConstantTime(MAC, ENTRY + COMMIT_MAC, COMMIT_MAC_BYTES) ? 1 : 0;
}
