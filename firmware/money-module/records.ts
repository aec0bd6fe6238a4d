/** Keys of the money module's records. A type belongs to one file. */

export const RECORD_NOTE: u32 = 0x10000000; // note-directory.ts: one for each place in the wallet
export const RECORD_NOTE_BYTES: u32 = 0x11000000; // note-directory.ts: place << 4 | block
export const RECORD_PENDING: u32 = 0x12000000; // pending.ts
export const RECORD_COUNTER: u32 = 0x13000000; // pending.ts: the transferor's counter
export const RECORD_TRAIL: u32 = 0x14000000; // note-trail.ts: a ring
export const RECORD_TRAIL_HEAD: u32 = 0x14ffffff;
export const RECORD_ISSUED: u32 = 0x15000000; // note-issue.ts: one for each unit
export const RECORD_LIMIT: u32 = 0x16000000; // spending-limits.ts: one for each unit that has one
