/** Which key lives in which slot of the chip, the same in every applet. */

export const SLOT_SIGNATURE: u32 = 0; // Ed25519, the certificate's
export const SLOT_AGREEMENT: u32 = 1; // X25519, the certificate's
export const SLOT_STORE: u32 = 2; // authenticates the store and the reference data
export const SLOT_PERSONALISATION: u32 = 3; // opens personalisation
export const SLOT_PAIRING: u32 = 4; // shared with the partner element of the same device
export const SLOT_LOCK: u32 = 5; // from which the keys of locked transfers are made

export const SLOT_FORMATTED: u32 = 6; // holds a key once the first format is complete

export const SLOT_EPHEMERAL: u32 = 16; // volatile: the live handshake's ephemeral key
