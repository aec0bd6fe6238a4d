/** Commands, status words, tags and life cycle of every applet (ISO/IEC 7816-4). `docs/APDU.md` explains them. */

// AID: F0 (proprietary) "TALLY" and the applet.
export const AID_PREFIX_BYTES: i32 = 6; // F0 54 41 4C 4C 59
export const AID_MONEY_MODULE: i32 = 1;
export const AID_TRUSTED_AGENT: i32 = 2;
export const AID_PURSE: i32 = 3;

// Class bytes.
export const CLA_ISO: i32 = 0x00;
export const CLA_CHAIN: i32 = 0x10; // or'ed in: more of this command follows
export const CLA_OWN: i32 = 0x80;
export const CARD_CHANNELS: i32 = 4; // logical channels of a card, the basic one among them; their number is in CLA

// Instructions, class 00.
export const INS_VERIFY: i32 = 0x20;
export const INS_CHANGE_REFERENCE_DATA: i32 = 0x24;
export const INS_RESET_RETRY_COUNTER: i32 = 0x2c;
export const INS_GENERATE_KEY_PAIR: i32 = 0x46;
export const INS_MANAGE_CHANNEL: i32 = 0x70; // the card's: an applet knows nothing of channels
export const INS_EXTERNAL_AUTHENTICATE: i32 = 0x82;
export const INS_GET_CHALLENGE: i32 = 0x84;
export const INS_SELECT: i32 = 0xa4;
export const INS_READ_RECORD: i32 = 0xb2;
export const INS_GET_RESPONSE: i32 = 0xc0;
export const INS_GET_DATA: i32 = 0xca;
export const INS_PUT_DATA: i32 = 0xda;
// Instructions, class 80.
export const INS_OPEN: i32 = 0x10; // date and time from the host
export const INS_FETCH: i32 = 0x12;
export const INS_ENVELOPE: i32 = 0xc2;
export const INS_PUT_KEY: i32 = 0xd8;
export const INS_STORE_DATA: i32 = 0xe2;
export const INS_SET_STATUS: i32 = 0xf0;

// Status words.
export const SW_OK: i32 = 0x9000;
export const SW_FETCH: i32 = 0x9100; // an envelope waits; low byte: its length, at most 255
export const SW_MORE: i32 = 0x6100; // GET RESPONSE; low byte: bytes left, 0 for 256 or more
export const SW_WRONG_LE: i32 = 0x6c00; // low byte: the right Le
export const SW_WARNING_TRIES: i32 = 0x63c0; // low nibble: tries left
export const SW_MEMORY_FAILURE: i32 = 0x6581;
export const SW_WRONG_LENGTH: i32 = 0x6700;
export const SW_CHANNEL_UNSUPPORTED: i32 = 0x6881; // the card's: a logical channel that is not open
export const SW_CHAINING_UNSUPPORTED: i32 = 0x6884;
export const SW_LAST_CHAIN_EXPECTED: i32 = 0x6883;
export const SW_NOT_ALLOWED: i32 = 0x6986; // command not allowed, no current state for it
export const SW_BAD_SEAL: i32 = 0x6988; // a sealed message that does not open
export const SW_SECURITY_STATUS: i32 = 0x6982;
export const SW_BLOCKED: i32 = 0x6983; // authentication method blocked
export const SW_REFERENCE_DATA_UNUSABLE: i32 = 0x6984;
export const SW_CONDITIONS: i32 = 0x6985;
export const SW_WRONG_DATA: i32 = 0x6a80;
export const SW_FUNCTION_UNSUPPORTED: i32 = 0x6a81;
export const SW_NOT_FOUND: i32 = 0x6a82; // file or application not found
export const SW_RECORD_NOT_FOUND: i32 = 0x6a83;
export const SW_NOT_ENOUGH_SPACE: i32 = 0x6a84;
export const SW_WRONG_P1P2: i32 = 0x6b00;
export const SW_REFERENCED_DATA_NOT_FOUND: i32 = 0x6a88;
export const SW_INS_UNSUPPORTED: i32 = 0x6d00;
export const SW_CLA_UNSUPPORTED: i32 = 0x6e00;
export const SW_UNKNOWN: i32 = 0x6f00; // never sent on purpose; an applet trapped

// Life cycle; it only grows (as in GlobalPlatform).
export const LIFE_BLANK: i32 = 0; // nothing but the applet: PUT KEY sets the personalisation key
export const LIFE_INITIALISED: i32 = 1; // personalisation key set
export const LIFE_PERSONALISED: i32 = 7; // identity, roots and PIN stored; pairing allowed
export const LIFE_OPERATIONAL: i32 = 15; // personalisation closed for ever
export const LIFE_TERMINATED: i32 = 127; // keys wiped: store lost, or ended by the personalisation key

// Reference data of VERIFY and its family (P2).
export const REFERENCE_PIN: i32 = 0x81;
export const REFERENCE_PUK: i32 = 0x82;

// STORE DATA: what P2 says is stored.
export const STORE_DATA_ROOTS: i32 = 1; // [agents' root id, key, modules' root id, key]
export const STORE_DATA_CHAIN: i32 = 2; // certificate chain of this element
export const STORE_DATA_PIN: i32 = 3; // PIN digits
export const STORE_DATA_PUK: i32 = 4; // PUK digits
export const STORE_DATA_PARAMETERS: i32 = 5; // by applet: generator: issuer, validities; all: see docs
// PUT DATA after personalisation.
export const PUT_DATA_LIST: i32 = 0x0101; // signed bad-id list; any host may deliver it
export const PUT_DATA_LIMIT: i32 = 0x0102; // money module: the owner's PIN, a unit, most for one payment, most for one day

// GET DATA tags (P1 P2).
export const TAG_INFORMATION: i32 = 0xdf01; // versions, life cycle, role, subject id
export const TAG_CHAIN: i32 = 0xdf02; // this element's certificate chain (PIN, or personalisation open)
export const TAG_STORE: i32 = 0xdf03; // free bytes, free records, wear
export const TAG_COUNTERS: i32 = 0xdf04; // tries left, list version, clock floor
export const TAG_DIGEST: i32 = 0xdf05; // digest of the store's records
export const TAG_BALANCE: i32 = 0xdf10; // money module: one entry for each unit (PIN)
export const TAG_PENDING: i32 = 0xdf11; // offered, committed, in doubt (PIN)
export const TAG_ISSUED: i32 = 0xdf12; // generator: issued for each unit (PIN)
export const TAG_LIMITS: i32 = 0xdf13; // spending limits, and what was spent today (PIN)
// READ RECORD files (short identifier, P2 >> 3).
export const FILE_LOG: i32 = 1;
export const FILE_NOTES: i32 = 2;
export const FILE_TICKETS: i32 = 3;
export const FILE_PURSES: i32 = 4;
// Why a note rests, the last item of its record: bits. No subscriber takes it, a teller does until the last of them is set.
export const RESTS_EXPIRED: i32 = 1;
export const RESTS_HOPS: i32 = 2; // as many hands as it may pass through have had it, but for a teller's
export const RESTS_LISTED: i32 = 4; // somebody in its history is on the bad-id list
export const RESTS_LAPSED: i32 = 8; // its final redemption date has come: it is for claims
