/**
 * Token halves (EP 0 833 285 A2): the numbers that the purse applet, mints and sellers share. `docs/TOKENS.md` has the
 * messages. Commands and notices are CBOR arrays in envelopes of KIND_HOST, as in messages.ts.
 */

/** Denominations of one purse. */
export const DENOMINATIONS_MAX: i32 = 8;
/** Tokens of one purse, all denominations together. */
export const PURSE_TOKENS_MAX: i32 = 1048576;
/** Purses in one chip. */
export const PURSES_MAX: i32 = 32;
/** Parties besides the seller among whom a token is split. */
export const HOLDERS_MAX: i32 = 4;
/** Halves that one SPEND reveals. */
export const HALVES_PER_SPEND_MAX: i32 = 128;
/** A half: P or Q. */
export const HALF_BYTES: i32 = 32;
/** What an authorization says of its holder. */
export const ASSERTION_BYTES_MAX: i32 = 32;
/** An order. */
export const ORDER_BYTES_MAX: i32 = 192;

// What is sealed has one length, whoever seals it: it tells nothing of what is in it.
export const TOKEN_REQUEST_PLAIN_BYTES: i32 = 1536;
export const TOKEN_SHARE_PLAIN_BYTES: i32 = 768;
export const TOKEN_CLOSE_PLAIN_BYTES: i32 = 512;

// Purse kinds.
export const PURSE_MONEY: i32 = 1;
export const PURSE_AUTHORIZATION: i32 = 2;
// Schemes: what is split.
export const SCHEME_SECRET: i32 = 1; // a secret of 32 bytes; one signature a purse
export const SCHEME_SOURCE: i32 = 2; // the token with its signature, as in the source

// Delivery of goods: the order says which.
export const DELIVERY_OPEN: i32 = 0;
export const DELIVERY_SEALED: i32 = 1; // under the order's goods key

// States of a purse in the chip.
export const PURSE_REQUESTED: i32 = 1;
export const PURSE_OPEN: i32 = 2;
export const PURSE_CLOSED: i32 = 3;

// Commands to a purse. All but FIND and a SPEND within the purse's allowance need the owner's PIN.
export const COMMAND_PURSE_REQUEST: i32 = 60; // issuer's chain, seller id, purse kind, unit, [[value, count]...], spend by, assertion or null, flush (bool), [joint id, holders, index] or null (fig. 2, 102-106)
export const COMMAND_PURSE_REPEAT: i32 = 61; // slot: the request again
export const COMMAND_PURSE_FORGET: i32 = 62; // slot: a request that the issuer refused, or a purse whose last day for redemption is over
export const COMMAND_PURSE_INSTALL: i32 = 63; // sealed share (fig. 6)
export const COMMAND_PURSE_SETTLED: i32 = 64; // slot, notice: a closed purse was refunded; the chip forgets it
export const COMMAND_PURSE_CLOSE: i32 = 65; // slot: no half is revealed any more (fig. 10)
export const COMMAND_PURSE_SPEND: i32 = 66; // slot, order, amount, skip, [first token of each denomination] or null (fig. 7)
export const COMMAND_PURSE_ALLOW: i32 = 67; // slot, amount that may be revealed without the PIN
export const COMMAND_PURSE_FIND: i32 = 68; // seller id, purse kind, unit, assertion or null: without the PIN only a purse with an allowance is found
// Notices of a purse.
export const NOTICE_PURSE_REQUEST: i32 = 60; // slot, nonce, sealed request
export const NOTICE_PURSE_FORGOTTEN: i32 = 62; // slot
export const NOTICE_PURSE_INSTALLED: i32 = 63; // slot, purse id
export const NOTICE_PURSE_SETTLED: i32 = 64; // slot, purse id
export const NOTICE_PURSE_CLOSED: i32 = 65; // slot, purse id, sealed close
export const NOTICE_PURSE_SPENT: i32 = 66; // purse id, index, amount revealed for this order, [[first serial, count]...], skip, masked halves from there on, goods key
export const NOTICE_PURSE_ALLOWED: i32 = 67; // slot, amount
export const NOTICE_PURSE_FOUND: i32 = 68; // slot, purse id, [[value, count, next]...], allowance

// A seller's word to an issuer: what it is about.
export const WORD_FORWARD: i32 = 1; // a sealed request that names this seller (fig. 3)
export const WORD_REDEEM: i32 = 2; // tokens (fig. 9)
export const WORD_RETURN: i32 = 3; // the last tokens of a recalled purse: there will be no more (fig. 10, 1084-1088)
export const WORD_COLLECT: i32 = 4; // purses and notices that wait for this seller

// An issuer's notice: what it says.
export const CREDIT_REDEEMED: i32 = 1;
export const CREDIT_REFUNDED: i32 = 2;
