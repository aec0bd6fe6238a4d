/**
 * Why something was refused or aborted. A library function in the firmware returns the negative of one of these;
 * an Abort message and a notice to the host carry the number itself. `host/reasons.ts` has a sentence for each.
 */

// Input that no honest peer sends.
export const REASON_MALFORMED: i32 = 100; // not deterministic CBOR, or not the shape the kind demands
export const REASON_TOO_LONG: i32 = 101; // above a limit of limits.ts
export const REASON_VERSION: i32 = 102; // a version this element does not speak
export const REASON_UNEXPECTED: i32 = 103; // a message that does not belong to this state
export const REASON_BAD_SEAL: i32 = 104; // wrong tag, gap, or altered repeat in a session
export const REASON_ARITHMETIC: i32 = 105; // an amount that overflows
export const REASON_REPEAT: i32 = 107; // not a refusal: the last accepted message again, answer it again

// Certificates, lists, clock.
export const REASON_BAD_SIGNATURE: i32 = 110;
export const REASON_FOREIGN_CERTIFICATE: i32 = 111; // a chain that does not end at this tree's root
export const REASON_CERTIFICATE_EXPIRED: i32 = 112;
export const REASON_CERTIFICATE_NOT_YET_VALID: i32 = 113;
export const REASON_WRONG_ROLE: i32 = 114; // the matrix does not let these roles meet for this purpose
export const REASON_BAD_ID: i32 = 115; // a subject on the bad-id list
export const REASON_CLOCK_SKEW: i32 = 116;
export const REASON_KEY_MISMATCH: i32 = 117; // Noise static key is not the certificate's
export const REASON_NO_CLOCK: i32 = 118; // no date and time was given since power-up

// Notes and amounts.
export const REASON_AMOUNT_ZERO: i32 = 120;
export const REASON_AMOUNT_TOO_LARGE: i32 = 121; // above AMOUNT_MAX
export const REASON_UNKNOWN_UNIT: i32 = 122;
export const REASON_INSUFFICIENT_FUNDS: i32 = 123;
export const REASON_TOO_MANY_NOTES: i32 = 124; // the amount needs more notes than one packet holds
export const REASON_NOTE_INVALID: i32 = 125; // chain, ids, amounts or key of a note do not fit
export const REASON_NOTE_EXPIRED: i32 = 126;
export const REASON_HOP_LIMIT: i32 = 127;
export const REASON_DUPLICATE: i32 = 128; // the note transfer tree shows a note spent twice
export const REASON_WRONG_AMOUNT: i32 = 129; // what came is not what was agreed
export const REASON_DECLINED: i32 = 130; // the owner, agent or bank said no
export const REASON_ONLY_TO_TELLER: i32 = 131; // the money is there, in notes that are expired or at the hop limit
export const REASON_PAST_REDEMPTION: i32 = 132; // the final redemption date of a note has come: not even a teller takes it
export const REASON_LIMIT: i32 = 133; // above the spending limit that the owner set

// Tickets and purchase.
export const REASON_TICKET_INVALID: i32 = 140;
export const REASON_TICKET_EXPIRED: i32 = 141;
export const REASON_RECEIPT_INVALID: i32 = 142; // fields that do not add up or do not match what was agreed
export const REASON_NOT_CONFIRMED: i32 = 143; // the customer did not confirm
export const REASON_NOT_AUTHORIZED: i32 = 144; // the card issuer declined
export const REASON_APPROVAL_INVALID: i32 = 145; // the network's approval does not match the receipt
export const REASON_NO_FUNDING: i32 = 146; // the merchant found no money to send
export const REASON_PAYMENT_FAILED: i32 = 147; // the money modules aborted

// State of an element.
export const REASON_STORE_FULL: i32 = 160;
export const REASON_STORE_FAILURE: i32 = 161; // flash failed, or records that do not authenticate
export const REASON_ROLLED_BACK: i32 = 162; // an older image of the flash
export const REASON_NOT_FOUND: i32 = 163;
export const REASON_PENDING: i32 = 164; // an open transaction stands in the way: resume first
export const REASON_BUSY: i32 = 165; // another session is live
export const REASON_TIMEOUT: i32 = 166; // the peer did not answer
export const REASON_NOT_PAIRED: i32 = 167; // no partner element, or another one
export const REASON_PEER: i32 = 168; // the peer aborted without saying why
export const REASON_CANCELLED: i32 = 169; // the host cancelled
export const REASON_NOT_PERMITTED: i32 = 170; // this element's role cannot do that

// Purses (docs/TOKENS.md).
export const REASON_PURSE_WAITING: i32 = 180; // requested; its tokens have not come
export const REASON_PURSE_OPEN: i32 = 181; // its tokens are there, and count until it is closed
export const REASON_PURSE_CLOSED: i32 = 182; // it reveals no half any more
export const REASON_PURSE_EXISTS: i32 = 183; // the pair has an open purse: flush it first
export const REASON_PURSE_DIFFERS: i32 = 184; // a share or notice is genuine, but not what was asked for, or of another purse
export const REASON_TOO_MANY_TOKENS: i32 = 185; // above PURSE_TOKENS_MAX
export const REASON_SPENDING_OVER: i32 = 186; // the last second for spending is over
export const REASON_NOT_EXACT: i32 = 187; // no tokens that are left make this amount
export const REASON_ALLOWANCE: i32 = 188; // above what may be revealed without the PIN
export const REASON_OTHER_SELLER: i32 = 189; // the order is for another seller than the purse
export const REASON_OTHER_ASSERTION: i32 = 190; // the order asks for something else than the purse says
