/** The one table of limits, shared by firmware and host. Sizes in bytes unless the name says otherwise. */

/** I/O buffer of an applet: one envelope as an extended command. CTAPHID would carry 7609. */
export const IO_BYTES: i32 = 6400;
/** Longest envelope, header included: it travels in one chained or extended command. */
export const ENVELOPE_BYTES_MAX: i32 = 6272;
/** Envelopes that wait to be fetched: one of the largest, and notices beside it. */
export const OUTBOX_BYTES: i32 = 6848;
/** Identifiers of subjects, notes, tickets. */
export const ID_BYTES: i32 = 16;
/** Monetary amounts stay below 2^63, so that a sum of two never wraps. */
export const AMOUNT_BITS: i32 = 63;

/** Times are seconds since 1970, below 2^53: a host reads them exactly as a number. */
export const SECONDS_BITS: i32 = 53;

/** What one signature may cover. */
export const COSE_PAYLOAD_BYTES_MAX: i32 = 1600;
/** Name of a certificate's subject. */
export const CERTIFICATE_NAME_BYTES_MAX: i32 = 32;
/** Certificates whose verified signatures an element remembers until power-down. */
export const CERTIFICATES_REMEMBERED: i32 = 16;
/** Certificate, as COSE_Sign1. */
export const CERTIFICATE_BYTES_MAX: i32 = 320;
/** Device certificate and security server certificate, as one CBOR array. */
export const CHAIN_BYTES_MAX: i32 = 656;
/** Transfer records in a note, the one on offer included. */
export const HOPS_MAX: i32 = 10;
/** A note with all its records, signatures, keys and certificates. */
export const NOTE_BYTES_MAX: i32 = 6144;
/** Different security servers whose certificates one note may carry. */
export const NOTE_ISSUERS_MAX: i32 = 3;
/** Notes that one payment moves. */
export const PACKET_NOTES_MAX: i32 = 8;
/** Notes that a module holds. */
export const WALLET_NOTES_MAX: i32 = 64;
/** Wallets up to this many notes of a unit are searched exhaustively for the fewest monetary-unit days. */
export const CHOICE_EXACT_NOTES_MAX: i32 = 16;
/** Payments of a module that are offered, committed but unconfirmed, or in doubt. */
export const PENDING_MAX: i32 = 8;

/** What a payment says beside its amount: the account at a bank. */
export const MEMO_BYTES_MAX: i32 = 32;

/** Units in one module: balances, totals of a generator. */
export const UNITS_MAX: i32 = 8;
/** Units for which an owner can set spending limits. */
export const LIMIT_UNITS_MAX: i32 = 4;
/** Received transfers that a module remembers beside the notes it holds. */
export const TRAIL_MAX: i32 = 64;

/** Nesting of CBOR items. */
export const CBOR_DEPTH_MAX: i32 = 8;
/** Names, account numbers and other text in tickets. */
export const TEXT_BYTES_MAX: i32 = 64;
export const TICKET_BYTES_MAX: i32 = 1536;
/** Transfers in a ticket, the issuer's first one included. */
export const TICKET_TRANSFERS_MAX: i32 = 4;
/** Tickets that an agent holds. */
export const TICKETS_MAX: i32 = 16;
/** Entries of the transaction log, oldest overwritten. */
export const LOG_ENTRIES_MAX: i32 = 64;
/** Subjects on the bad-id list: as many as one signature may cover. */
export const BAD_IDS_MAX: i32 = 64;

/** The list with its signature and its signer's certificate, as it is delivered and passed on. */
export const BAD_ID_LIST_BYTES_MAX: i32 = 2048;

/** PIN digits. */
export const PIN_DIGITS_MIN: i32 = 4;
export const PIN_DIGITS_MAX: i32 = 12;
export const PIN_TRIES: i32 = 3;
export const PUK_TRIES: i32 = 10;

/** Two elements whose clocks differ by more refuse to open a session. */
export const CLOCK_SKEW_SECONDS_MAX: i32 = 86400;
/** An element that awaits a reply asks again this many times, then gives up. */
export const QUERIES_MAX: i32 = 3;
/** Refused messages after which a session ends. */
export const SESSION_ERRORS_MAX: i32 = 8;
/** Payload of one handshake message: a chain of certificates, date and time, and what the purpose adds. */
export const HANDSHAKE_PAYLOAD_BYTES_MAX: i32 = 768;

/** One record of the flash store. */
export const STORE_VALUE_BYTES_MAX: i32 = 1024;
/** Records in the store. */
export const STORE_RECORDS_MAX: i32 = 704;
/** Records that one transaction writes or deletes. */
export const STORE_TRANSACTION_RECORDS_MAX: i32 = 96;
/** Deletions that one transaction can always make, however full the store is. */
export const STORE_RESERVE_RECORDS: i32 = 16;
/** Room that housekeeping keeps ready, so that a transaction seldom waits for garbage to be collected. */
export const STORE_AHEAD_BYTES: i32 = 16384;
