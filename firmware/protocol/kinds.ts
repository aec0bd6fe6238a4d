/** Kinds of signed objects, roles, and the matrix of who may open which session with whom. */

/**
 * Version of what elements say to each other: messages 2 and 3 of a handshake tell it, and elements of two versions do not deal
 * with each other. 2: a lock belongs to one payment.
 */
export const PROTOCOL_SPOKEN: i32 = 2;

// Kinds of signed object. The kind is in the signed context: COSE external_aad = SIGNED_CONTEXT, version, kind.
export const SIGNED_VERSION: i32 = 1;
export const SIGNED_CERTIFICATE: i32 = 1;
export const SIGNED_NOTE_BODY: i32 = 2;
export const SIGNED_TRANSFER: i32 = 3; // one record of a note's transfer group
export const SIGNED_TICKET: i32 = 4; // Identifier and Components, by the issuer
export const SIGNED_TICKET_TRANSFER: i32 = 5; // the five sections before, by the sender
export const SIGNED_LIST: i32 = 6; // bad-id list
export const SIGNED_APPROVAL: i32 = 7; // card authorization network
export const SIGNED_OUTCOME: i32 = 8; // an agent's word on an approval: committed or aborted
export const SIGNED_ABORTED: i32 = 9; // a payer's word that a transfer is void
export const SIGNED_REQUEST: i32 = 10; // certificate request, by the element whose keys it names
export const SIGNED_TIME: i32 = 11; // an issuer's date and time
export const SIGNED_ANNEX: i32 = 12; // payment information added to a receipt (fig. 12, step 634)
// ... of token halves (docs/TOKENS.md).
export const SIGNED_TOKEN_REQUEST: i32 = 13; // a purse asks an issuer for tokens
export const SIGNED_TOKEN_PURSE: i32 = 14; // head of a seller's purse, with the root of its leaves
export const SIGNED_TOKEN_SHARE: i32 = 15; // a buyer's purse
export const SIGNED_TOKEN_CLOSED: i32 = 16; // a purse reveals no more
export const SIGNED_TOKEN_SELLER: i32 = 17; // a seller's word to an issuer
export const SIGNED_TOKEN_RECALL: i32 = 18; // an issuer wants a seller's purse back
export const SIGNED_TOKEN_NOTICE: i32 = 19; // an issuer's credit notice
export const SIGNED_TOKEN: i32 = 20; // one token, in the source's scheme

// Trees of certificates: agents and modules, with separate roots. tree = role >> 4.
export const TREE_AGENTS: i32 = 0;
export const TREE_MODULES: i32 = 1;

// Roles in the agents' tree.
export const ROLE_CUSTOMER: i32 = 1;
export const ROLE_MERCHANT: i32 = 2;
export const ROLE_AUTHORITY: i32 = 3;
export const ROLE_NETWORK: i32 = 4; // card authorization network
export const ROLE_PURSE: i32 = 5;
export const ROLE_MINT: i32 = 6;
export const ROLE_AGENT_SECURITY_SERVER: i32 = 7;
// Roles in the modules' tree.
export const ROLE_TRANSACTION: i32 = 17;
export const ROLE_TELLER: i32 = 18;
export const ROLE_GENERATOR: i32 = 19;
export const ROLE_MODULE_SECURITY_SERVER: i32 = 23;

// Purposes of a session; part of the Noise prologue.
export const PURPOSE_TRANSACTION: i32 = 1;
export const PURPOSE_OUTCOME: i32 = 2;
export const PURPOSE_PAIRING: i32 = 3;
