/**
 * Envelopes and the messages in them. Every message is a deterministic CBOR array that starts with its number; the
 * comment beside a number lists what follows it. `unit` stands for two items: ISO 4217 numeric currency, exponent.
 * `inner` is an envelope's kind and body (without address) for the module at the other end, or null.
 */

// Addresses: the first byte of an envelope. For ENVELOPE it says who sent it, for FETCH who shall get it.
export const ADDRESS_HOST: i32 = 0;
export const ADDRESS_AGENT: i32 = 1; // trusted agent of the same transaction device
export const ADDRESS_MODULE: i32 = 2; // money module of the same transaction device
export const ADDRESS_PEER: i32 = 3; // the element of the same sort in the other device

// Kinds: the second byte of an envelope.
export const KIND_HOST: i32 = 1; // CBOR: a command from, or a notice to, the host
export const KIND_HANDSHAKE: i32 = 2; // purpose, step (1 to 3), Noise message
export const KIND_SEALED: i32 = 3; // message under the session key of two peers (TA/TA or MM/MM)
export const KIND_LINK_OPEN: i32 = 4; // agent to module: 32 random bytes; module to agent: its own 32
export const KIND_LINK: i32 = 5; // epoch (0 pairing key, 1 TA/MM key), message under that key
export const KIND_TIMEOUT: i32 = 6; // from the host: the reply you await has not come
export const KIND_REFUSAL: i32 = 7; // in clear, only before a session is open: reason (one byte)

// Commands of the host: KIND_HOST to an element.
export const COMMAND_CANCEL: i32 = 1; // -
export const COMMAND_YES: i32 = 2; // -; answers any prompt. Generator: values of the notes to make (array)
export const COMMAND_NO: i32 = 3; // reason
export const COMMAND_OUTCOME: i32 = 4; // initiator (bool): settle what is open with the peer that is connected
export const COMMAND_LISTEN: i32 = 5; // -: answer the next handshake
export const COMMAND_PAIR: i32 = 6; // initiator (bool)
// ... to a money module.
export const COMMAND_PAY: i32 = 10; // amount, unit, memo bytes or null: pay as initiator; nothing: pay what the payee states
export const COMMAND_REQUEST: i32 = 11; // amount, unit, memo: as responder state the amount first (POS), as payee
export const COMMAND_WITHDRAW: i32 = 12; // amount, unit, memo: as initiator ask the peer for money (teller, generator)
export const COMMAND_AMOUNT: i32 = 13; // amount, unit: a new amount after the payee refused the first (fig. 12, 618-622)
export const COMMAND_REDEEM: i32 = 14; // place: teller exports the note, NOTICE_REDEEMABLE
export const COMMAND_REDEEMED: i32 = 15; // place, note id: the books have it; the teller destroys the note
export const COMMAND_FORGET: i32 = 16; // pay-id: the host of a module without agent has recorded the outcome
export const COMMAND_PAY_NOTES: i32 = 17; // places in rising order (array), memo: pay these notes whole, to a teller only
// ... to a trusted agent.
export const COMMAND_BUY: i32 = 30; // -: customer: buy money from the merchant that is connected (fig. 7, 706)
export const COMMAND_SELL: i32 = 31; // -: customer
export const COMMAND_SERVE: i32 = 32; // -: merchant: serve the customer that connects (fig. 7, 708)
export const COMMAND_AMOUNT_WANTED: i32 = 33; // amount, unit (fig. 7, 716)
export const COMMAND_CHOOSE: i32 = 34; // ticket index of the card (fig. 7, 756)
export const COMMAND_TERMS: i32 = 35; // fee, account unit, rate numerator, rate denominator: merchant's host, for the receipt
export const COMMAND_FUNDED: i32 = 36; // -: merchant's host has money for its module now
export const COMMAND_AUTHORIZED: i32 = 37; // approval bytes, network chain bytes
export const COMMAND_DECLINED: i32 = 38; // response code of the card network (text), receipt hash
export const COMMAND_ACQUIRE: i32 = 39; // ticket type: ask the authority that is connected for a credential
export const COMMAND_ISSUE: i32 = 40; // -: authority: serve a requester
export const COMMAND_GRANT: i32 = 41; // receiver expiry, components...: authority's host decided on the owner
export const COMMAND_SETTLE: i32 = 42; // -: ask the own module for the outcome of everything pending
export const COMMAND_CREATE_OWN: i32 = 43; // authority: make the authority credential from the certificate's name
export const COMMAND_REPORT: i32 = 44; // approval hash: give the signed outcome again

/**
 * "@refresh", in two numbers: the memo of what a module pays to a teller to have it back in fresh notes. The bank keeps that for
 * the module in the session, whoever's host says it: so it is no spending (spending limits), unlike a deposit to an account.
 */
export const REFRESH_MEMO_HIGH: i32 = 0x40726566;
export const REFRESH_MEMO_LOW: i32 = 0x72657368;

// Notices to the host: KIND_HOST from an element.
export const NOTICE_DONE: i32 = 1; // pay-id or null: committed (fig. 6A, 232; fig. 21, 1712)
export const NOTICE_ABORTED: i32 = 2; // reason, by peer (bool), session hash or null (fig. 6B, 238; fig. 18, 1744)
export const NOTICE_DOUBT: i32 = 3; // pay-id, peer id, amount, unit: there may have been a transfer error (fig. 18, 1734-1738)
export const NOTICE_SETTLED: i32 = 4; // number settled as committed, as aborted, left open: end of an outcome session
export const NOTICE_PAIRED: i32 = 5; // partner id
export const NOTICE_SESSION: i32 = 6; // peer id, role: a session is open (for the screen)
export const NOTICE_VOID: i32 = 7; // pay-id: the payer proved that it aborted; the notes in doubt were void and are gone
// ... from a money module.
export const NOTICE_VERIFY: i32 = 10; // peer id, amount, unit, memo: shall this be received? YES, NO (fig. 12, 604-606)
export const NOTICE_REQUESTED: i32 = 11; // peer id, amount, unit, memo: the peer asks to be paid this: YES, NO
export const NOTICE_NEW_AMOUNT: i32 = 12; // -: the payee refused the amount: AMOUNT or CANCEL
export const NOTICE_SENT: i32 = 13; // pay-id, peer id, amount, unit, memo: committed as payer (teller: To Bank)
export const NOTICE_RECEIVED: i32 = 14; // pay-id, peer id, amount, unit, memo: committed as payee
export const NOTICE_REDEEMABLE: i32 = 15; // place, note id, amount, unit, note bytes, key of its last record
export const NOTICE_REDEEMED: i32 = 16; // place, note id
// ... from a trusted agent.
export const NOTICE_CONFIRM_MERCHANT: i32 = 30; // merchant name, credential expiry: YES, NO (fig. 10, 460-462)
export const NOTICE_AMOUNT: i32 = 31; // -: which amount, which unit? AMOUNT_WANTED (fig. 7, 714)
export const NOTICE_FUNDS: i32 = 32; // amount, unit: the module is short: FUNDED, or CANCEL (fig. 7, 728)
export const NOTICE_CARDS: i32 = 33; // array of [index, type, bank id, masked account, expiry]: CHOOSE (fig. 7, 754)
export const NOTICE_TERMS: i32 = 34; // type, amount, unit, bank id, masked account: TERMS, or NO
export const NOTICE_CONFIRM_RECEIPT: i32 = 35; // array of receipt fields: YES, NO (fig. 7, 780-782)
export const NOTICE_AUTHORIZE: i32 = 36; // type, bank id, account, authorization amount, unit, receipt hash, customer id, merchant id, card expiry (fig. 7, 796, 810)
export const NOTICE_OUTCOME: i32 = 37; // approval hash, signed outcome, agent's chain: for the network
export const NOTICE_GRANT: i32 = 38; // requester id, role, ticket type: authority's host: GRANT, NO
export const NOTICE_ACQUIRED: i32 = 39; // ticket index, type
export const NOTICE_ISSUED: i32 = 40; // requester id, ticket type, ticket hash
export const NOTICE_PROVISIONAL: i32 = 41; // pay-id: the module is in doubt, and so is the agent
export const NOTICE_CLOSED: i32 = 42; // receipt hash: given up while its host asked the card network: AUTHORIZED, DECLINED

// Payloads of the Noise handshake (fig. 8, fig. 14).
// message 2: [1 version, chain, date, bad-id list version]
// message 3: [1 version, chain, date, bad-id list version, R of the own agent or null]
// Where the two versions differ LIST follows, below, and only then message 4.

// Between money modules, under MM/MM.
export const MODULE_ACKNOWLEDGE: i32 = 1; // date, R of the own agent or null, proposal [amount, unit, memo] or null, request likewise (fig. 14, 1554)
export const MODULE_PROPOSE: i32 = 2; // amount, unit, memo: payer to payee (fig. 12, 600-602)
export const MODULE_REQUEST: i32 = 3; // amount, unit, memo: payee to payer
export const MODULE_AMOUNT_CORRECT: i32 = 4; // - (fig. 12, 624-626)
export const MODULE_AMOUNT_INCORRECT: i32 = 5; // - (fig. 12, 618)
export const MODULE_NOTE: i32 = 6; // index, count, note (fig. 20, 1572-1574)
export const MODULE_NEXT: i32 = 7; // index: that note verified, send the next
export const MODULE_READY: i32 = 8; // - Ready-to-Commit (fig. 21, 1702)
export const MODULE_KEY: i32 = 9; // what the notes' key is made of with the pay-id: the acknowledgement (fig. 21, 1706)
export const MODULE_CONFIRM: i32 = 10; // -
export const MODULE_ABORT: i32 = 11; // reason (fig. 18, 1746)
// Outcome session: see docs/PROTOCOLS.md, Resume.
export const MODULE_OPEN: i32 = 12; // [[pay-id, key]...] committed as payer, [[pay-id, lock]...] in doubt as payee
export const MODULE_ANSWER: i32 = 13; // [pay-id...] settled here, [[pay-id, key or null, signed aborted or null]...], then as OPEN of the answering side
export const MODULE_CLOSE: i32 = 14; // [pay-id...] settled here, [[pay-id, key or null, signed aborted or null]...]
// Before message 4, and only if messages 2 and 3 told different versions: first the responder, then the initiator.
export const MODULE_LIST: i32 = 15; // signed bad-id list with its signer's certificate, as PUT DATA takes it; null from the end that told the older version

// Between trusted agents, under TA/TA.
export const AGENT_ACKNOWLEDGE: i32 = 1; // date (fig. 8, 364-366)
export const AGENT_REQUEST_CREDENTIAL: i32 = 2; // - (fig. 10, 444-448)
export const AGENT_CREDENTIAL: i32 = 3; // ticket (fig. 10, 450-456)
export const AGENT_AMOUNT: i32 = 4; // type (1 purchase, 2 sale), amount, unit (fig. 7, 716-718)
export const AGENT_REQUEST_CARD: i32 = 5; // - (fig. 7, 750-752)
export const AGENT_CARD: i32 = 6; // ticket (fig. 7, 758-762)
export const AGENT_RECEIPT: i32 = 7; // ticket (fig. 7, 768-772)
export const AGENT_RECEIPT_ACKNOWLEDGE: i32 = 8; // - (fig. 7, 788-790)
export const AGENT_AUTHORIZED: i32 = 9; // approval, network chain: sale (fig. 7, 804-806)
export const AGENT_PAYMENT: i32 = 10; // R(1), approval or null, network chain or null (fig. 12, 522-524)
export const AGENT_PAYMENT_READY: i32 = 11; // R(2), inner (fig. 12, 530-532)
export const AGENT_INNER: i32 = 12; // inner: Send Routed and E-Routed Message (fig. 15, 19)
export const AGENT_ABORT: i32 = 13; // reason (fig. 11, 390-394)
export const AGENT_ACQUIRE: i32 = 14; // ticket type: Acquire Credential
export const AGENT_DELIVER: i32 = 15; // ticket: Create Credential
export const AGENT_DELIVERED: i32 = 16; // -

// Between agent and module of one device, under the pairing key (epoch 0) or the TA/MM key (epoch 1).
export const LINK_FUNDS: i32 = 1; // amount, unit (fig. 7, 724)
export const LINK_FUNDS_ANSWER: i32 = 2; // sufficient (bool); LINK_ABORTED instead: the owner's spending limit forbids it
export const LINK_PAYMENT: i32 = 3; // R of this agent, TA/TA hash, initiator (bool), payer (bool), inner: Make and Receive Payment (fig. 12, 538-544)
export const LINK_INNER: i32 = 4; // inner (fig. 16, 17)
export const LINK_READY: i32 = 5; // MM/MM hash = pay-id, prompt (0 none, 1 amount, 2 verify), amount, unit (0 if no verify), inner
export const LINK_AMOUNT: i32 = 6; // amount, unit (fig. 12, 562-566)
export const LINK_VERIFY: i32 = 7; // amount, unit (fig. 12, 604-606)
export const LINK_CORRECT: i32 = 8; // - (fig. 12, 612-616)
export const LINK_INCORRECT: i32 = 9; // -
export const LINK_SUCCESS: i32 = 10; // pay-id, inner (fig. 12, 584-586)
export const LINK_ABORTED: i32 = 11; // pay-id or null, reason, inner
export const LINK_ACKNOWLEDGE: i32 = 12; // pay-id: the agent has stored the outcome
export const LINK_ABORT: i32 = 13; // reason: the agent aborts
export const LINK_QUERY: i32 = 14; // pay-id: what became of it?
export const LINK_ANSWER: i32 = 15; // pay-id, outcome
export const LINK_PROMPT_NONE: i32 = 0;
export const LINK_PROMPT_AMOUNT: i32 = 1;
export const LINK_PROMPT_VERIFY: i32 = 2;

// Outcomes.
export const OUTCOME_COMMITTED: i32 = 1;
export const OUTCOME_ABORTED: i32 = 2;
export const OUTCOME_DOUBT: i32 = 3;

// Kinds of entry in a module's transaction log.
export const LOG_SENT: i32 = 1;
export const LOG_RECEIVED: i32 = 2;
export const LOG_REDEEMED: i32 = 3;
// ... of a trusted agent's. A purchase and a sale are LOG_AUTHORIZED and their type.
export const LOG_AUTHORIZED: i32 = 16; // peer, amount, unit; pay-id: reference of the outcome; detail: ticket number
export const LOG_ACQUIRED: i32 = 19; // peer; detail: ticket type
export const LOG_ISSUED: i32 = 20; // peer; pay-id: ticket hash; detail: ticket type

// What the reference of a signed outcome is.
export const REFERENCE_PAYMENT: i32 = 1; // pay-id
export const REFERENCE_SESSION: i32 = 2; // hash of the agents' session

// Types of transaction on receipts and approvals.
export const TYPE_PURCHASE: i32 = 1; // the customer buys electronic money: debit
export const TYPE_SALE: i32 = 2; // the customer sells electronic money: credit

// Ticket types (section 8).
export const TICKET_AUTHORITY_CREDENTIAL: i32 = 1;
export const TICKET_MERCHANT_CREDENTIAL: i32 = 2;
export const TICKET_CREDIT_CARD: i32 = 3;
export const TICKET_DEBIT_CARD: i32 = 4;
export const TICKET_RECEIPT: i32 = 5;
