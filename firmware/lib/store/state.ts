/**
 * What the store holds in RAM. Everything lies in linear memory, nothing in globals, so that a copy of memory and flash
 * is a copy of the element.
 */

import { STORE_RECORDS_MAX, STORE_TRANSACTION_RECORDS_MAX, STORE_VALUE_BYTES_MAX } from "../../protocol/limits";
import { CHAIN_BYTES, ENTRY_HEADER_BYTES, POSITION_BYTES, UNIT_BYTES_MAX } from "./layout";

/** Not mounted: everything but storeMount and storeFormat is refused. */
export const PHASE_CLOSED: u32 = 0;
export const PHASE_READY: u32 = 1;
/** A transaction is open. */
export const PHASE_OPEN: u32 = 2;
/** The open transaction met an error: it can only be aborted. */
export const PHASE_DOOMED: u32 = 3;


@unmanaged
export class State {
  phase: u32;

  // Geometry, fixed at mount.
  pageBytes: u32;
  pages: u32;
  /** Alignment of entries: 1 << unitShift bytes, a multiple of the flash word. */
  unitShift: u32;
  headerBytes: u32;

  // The log: sequence numbers of its first and last page, and where the next entry goes in the last one.
  tail: u32;
  head: u32;
  /** `pageBytes` when the rest of the page is given up because words in it may be torn. */
  offset: u32;
  /** Pages after the head that are known to be erased. */
  blankPages: u32;
  /** Number of the last committed transaction. */
  number: u32;
  /** Number of the first transaction whose commit entry lies in the log. */
  first: u32;
  /** Erasures beyond one for each turn of the ring. */
  repeats: u32;
  hasCounter: u32;
  /** The counter still has to follow the last commit. */
  counterIsBehind: u32;

  // Records that the index names, and the bytes of their entries.
  records: u32;
  liveBytes: u32;

  // The open transaction.
  /** Entries written so far: the first one is marked. */
  entries: u32;
  /** Where the first of them lies. */
  startSequence: u32;
  startOffset: u32;
  changes: u32;
  bytesLeft: u32;
  recordsLeft: u32;
  mayOnlyDelete: u32;
  /** Head when the transaction began: where the log goes back to after a failure. */
  headAtBegin: u32;
}

export const STATE_BYTES: i32 = 96;
export const state = changetype<State>(memory.data(STATE_BYTES, 4));

/** Index: records in the order of their keys, (key u32, place u32) each. */
export const INDEX_ENTRY_BYTES: u32 = 8;
export const INDEX: usize = memory.data(8 * STORE_RECORDS_MAX, 4);
/** Changes of the open transaction in the order of their entries, in the same form. */
export const CHANGES: usize = memory.data(8 * STORE_TRANSACTION_RECORDS_MAX, 4);
/** In place of a place: the record is deleted. */
export const PLACE_NONE: u32 = 0xffffffff;

/** Running hash over the entries of the transaction that is written or verified. */
export const CHAIN: usize = memory.data(CHAIN_BYTES, 4);
export const MAC_KEY: usize = memory.data(32, 4);
export const MAC: usize = memory.data(32, 4);

/**
 * One entry on its way to or from flash, behind what its hash begins with:
 *
 *     STAGE  [ chain 32 | sequence u32 | offset u32 ]  ENTRY  [ header 12 | value | padding ]
 */
export const STAGE: usize = memory.data(
  CHAIN_BYTES + POSITION_BYTES + ENTRY_HEADER_BYTES + STORE_VALUE_BYTES_MAX + UNIT_BYTES_MAX,
  4,
);
export const ENTRY: usize = STAGE + CHAIN_BYTES + POSITION_BYTES;
export const VALUE: usize = ENTRY + ENTRY_HEADER_BYTES;
