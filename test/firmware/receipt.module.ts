// Receipts, approvals, outcomes and annexes of the trusted agent as a test sees them.
import { slotGenerate, slotPublic } from "../../firmware/platform/imports";
import { annexSign } from "../../firmware/trusted-agent/annex";
import { Approval, approvalMatches, approvalRead, approvalVerify } from "../../firmware/trusted-agent/approval";
import { outcomeSign } from "../../firmware/trusted-agent/outcome";
import { authorizationAmount, Receipt, receiptAuthorize, receiptRead } from "../../firmware/trusted-agent/receipt";
import { Ticket, ticketHash, ticketRead } from "../../firmware/trusted-agent/ticket";

const ticket = changetype<Ticket>(memory.data(offsetof<Ticket>(), 8));
const receipt = changetype<Receipt>(memory.data(offsetof<Receipt>(), 8));
const approval = changetype<Approval>(memory.data(offsetof<Approval>(), 8));
const hash: usize = memory.data(32, 8);

export function authorize(type: u32, amount: u64, fee: u64, numerator: u32, denominator: u32): i64 {
  return authorizationAmount(type, amount, fee, numerator, denominator);
}
/** The rule for one and the same unit, seen through a whole receipt. */
export function authorizeUnits(currency: u32, accountCurrency: u32, numerator: u32, denominator: u32): i32 {
  receipt.type = 1;
  receipt.amount = 100;
  receipt.fee = 0;
  receipt.currency = currency;
  receipt.exponent = 2;
  receipt.accountCurrency = accountCurrency;
  receipt.accountExponent = 2;
  receipt.rateNumerator = numerator;
  receipt.rateDenominator = denominator;
  return receiptAuthorize(receipt);
}
export function readReceipt(p: usize, n: u32): i32 {
  const result = ticketRead(p, n, ticket);
  if (result < 0) return result;
  const hashed = ticketHash(ticket, hash);
  return hashed < 0 ? hashed : receiptRead(ticket, receipt);
}
export function readApproval(p: usize, n: u32): i32 {
  return approvalRead(p, n, approval);
}
export function verifyApproval(p: usize, n: u32, chain: usize, m: u32, rootId: usize, rootKey: usize, now: u64): i32 {
  return approvalVerify(p, n, chain, m, rootId, rootKey, now);
}
/** The approval read last against the receipt read last. */
export function matches(now: u64): i32 {
  return approvalMatches(approval, receipt, hash, now);
}
export function generate(slot: u32, into: usize): i32 {
  const status = slotGenerate(slot, 1);
  return status < 0 ? status : slotPublic(slot, into, 32);
}
export function signOutcome(h: usize, reference: usize, kind: i32, outcome: i32, slot: u32, out: usize, n: u32): i32 {
  return outcomeSign(h, reference, kind, outcome, slot, out, n);
}
export function signAnnex(h: usize, payId: usize, date: u64, slot: u32, out: usize, n: u32): i32 {
  return annexSign(h, payId, date, slot, out, n);
}
