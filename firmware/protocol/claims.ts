/** Claims of a certificate: a CWT (RFC 8392) with the subject's keys as confirmation (RFC 8747) and private claims. */

export const CLAIM_ISSUER: i32 = 1; // text: 32 lower-case hexadecimal digits
export const CLAIM_SUBJECT: i32 = 2; // text likewise
export const CLAIM_EXPIRY: i32 = 4; // seconds; from this moment the certificate is void
export const CLAIM_NOT_BEFORE: i32 = 5; // seconds
export const CLAIM_CONFIRMATION: i32 = 8; // map with one entry, the COSE_Key below
export const CLAIM_ROLE: i32 = -65537;
export const CLAIM_AGREEMENT_KEY: i32 = -65538; // X25519 public key
export const CLAIM_NAME: i32 = -65539; // optional

// COSE_Key (RFC 9052 section 7, RFC 9053 section 7.2) inside the confirmation.
export const CONFIRMATION_KEY: i32 = 1;
export const KEY_TYPE: i32 = 1;
export const KEY_TYPE_OCTET_PAIR: i32 = 1;
export const KEY_CURVE: i32 = -1;
export const KEY_CURVE_ED25519: i32 = 6;
export const KEY_X: i32 = -2;
