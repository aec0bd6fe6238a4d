/**
 * Where an issuer's server answers; all by POST. `forward` takes the CBOR array of word and sealed request, `refundHalves` that of
 * sealed close and sealed halves, the others one message.
 */
export const MINT_PATHS = {
  forward: "/tally/mint/forward",
  request: "/tally/mint/request",
  redeem: "/tally/mint/redeem",
  returned: "/tally/mint/returned",
  collect: "/tally/mint/collect",
  refund: "/tally/mint/refund",
  refundHalves: "/tally/mint/refund-halves",
} as const;

/** Where a seller answers its issuers; all by POST. */
export const SELLER_PATHS = {
  deliver: "/tally/purse",
  recall: "/tally/recall",
  notice: "/tally/notice",
} as const;
