/** Keys of the purse applet's records. */

export const RECORD_PURSE: u32 = 0x10000000; // purse.ts: one for each slot
