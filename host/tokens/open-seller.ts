/** A seller in a file of its own, on this machine's clock. */

import { systemRandom } from "../randomness.js";
import { systemClock } from "../services/clock.js";
import { openDatabase } from "../services/database.js";
import { Seller, type SellerOptions } from "./seller.js";
import type { SellerTables } from "./seller-store.js";

/** `file`: where its books are; it is made if it is not there. One process has it. */
export async function openSeller(
  file: string,
  options: Omit<SellerOptions, "database" | "clock" | "random">,
): Promise<Seller> {
  const database = openDatabase<SellerTables>({ file });
  return Seller.open({ ...options, database, clock: systemClock, random: systemRandom });
}
