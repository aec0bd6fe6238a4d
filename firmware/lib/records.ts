/** Keys of the store's records: type << 24 | index. A type belongs to one file. Every record starts with its version. */

export const RECORD_VERSION: u8 = 1;

export const RECORD_LIFE: u32 = 0x01000000; // life-cycle.ts
export const RECORD_IDENTITY: u32 = 0x01000001; // identity.ts
export const RECORD_CHAIN: u32 = 0x01000002; // identity.ts
export const RECORD_ROOTS: u32 = 0x01000003; // identity.ts
export const RECORD_PARAMETERS: u32 = 0x01000004; // personalise.ts
export const RECORD_PIN: u32 = 0x02000001; // pin.ts
export const RECORD_PUK: u32 = 0x02000002; // pin.ts
export const RECORD_CLOCK: u32 = 0x03000000; // clock.ts
export const RECORD_PARTNER: u32 = 0x04000000; // pairing.ts
export const RECORD_BAD_IDS: u32 = 0x05000000; // bad-ids.ts: version and date, then blocks of ids
export const RECORD_BAD_IDS_SIGNED: u32 = 0x05000010; // bad-ids.ts: the list as it was delivered
export const RECORD_LOG: u32 = 0x06000000; // log.ts: a ring
export const RECORD_LOG_HEAD: u32 = 0x06ffffff; // log.ts

/** Types from here on belong to the applets. */
export const RECORD_APPLET: u32 = 0x10000000;
