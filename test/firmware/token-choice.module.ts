// The choice of tokens as a test sees it.
import { choose, chosen } from "../../firmware/purse/choose";
import { p, purseClear } from "../../firmware/purse/purse";

export { choose0 as choose, chosen };

export function clear(denominations: u32): void {
  purseClear(p);
  p.denominations = <u8>denominations;
}
export function denomination(d: u32, value: u64, left: u32): void {
  p.setDenomination(d, value, left + 7);
  p.setNext(d, 7);
}
function choose0(amount: u64): bool {
  return choose(p, amount);
}
