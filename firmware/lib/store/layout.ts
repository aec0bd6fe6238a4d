/**
 * The store's format in flash (drawn in store.ts), as offsets and sizes.
 */

export const UNIT_BYTES_MIN: u32 = 4;
export const UNIT_BYTES_MAX: u32 = 32;

export const CHAIN_BYTES: i32 = 32;
/** Sequence and offset of an entry: part of what is hashed, not of what is stored. */
export const POSITION_BYTES: i32 = 8;

/** Page header. */
export const PAGE_MAGIC: u32 = 0x31535954;
export const PAGE_SEQUENCE: usize = 4;
export const PAGE_NUMBER: usize = 8;
export const PAGE_CHECK: usize = 12;
export const PAGE_CHAIN: usize = 16;
export const PAGE_HEADER_BYTES: u32 = 48;

/** Entries of records. Kind and first lie at the same offset in every entry. */
export const ENTRY_KEY: usize = 0;
export const ENTRY_LENGTH: usize = 4;
export const ENTRY_KIND: usize = 6;
export const ENTRY_FIRST: usize = 7;
export const ENTRY_CHECK: usize = 8;
export const ENTRY_HEADER_BYTES: i32 = 12;

/** Commit entry. */
export const COMMIT_NUMBER: usize = 0;
export const COMMIT_REPEATS: usize = 4;
export const COMMIT_TAIL: usize = 8;
export const COMMIT_FIRST_NUMBER: usize = 12;
export const COMMIT_MAC: usize = 16;
export const COMMIT_MAC_BYTES: u32 = 16;
/** A multiple of every unit. */
export const COMMIT_BYTES: u32 = 32;

export const KIND_PUT: u32 = 0x35;
export const KIND_DELETE: u32 = 0x5a;
export const KIND_COMMIT: u32 = 0xa6;

export const NOT_FIRST: u32 = 0;
export const FIRST: u32 = 1;

/** A place in the index: flash address in units << PLACE_LENGTH_BITS | length of the value. */
export const PLACE_LENGTH_BITS: u32 = 11;
export const PLACE_UNITS_MAX: u32 = 1 << 21;
