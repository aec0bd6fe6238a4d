/** A seller in a file of its own, on this machine's clock. */

import { systemRandom } from "../../randomness.js";
import { systemClock } from "../../services/clock.js";
import { openDatabase } from "../../services/database.js";
import { exclusiveLock, unlock } from "../../services/exclusive-lock.js";
import { Seller, type SellerOptions } from "./seller.js";
import type { SellerTables } from "./store.js";

/** Another process, or this one, works with the seller's file: each would take halves that the other has taken. */
export class SellerInUseError extends Error {
  constructor(file: string) {
    super(
      `Somebody is working with the seller in ${file}. Nothing was opened and no half is lost. Close it there, or wait until that process has ended, and open it again.`,
    );
    this.name = "SellerInUseError";
  }
}

export interface FileSeller extends Seller {
  /** What was answered is in the file; what is under way is not answered any more. */
  close(): Promise<void>;
}

/** `file`: where its books are; it is made if it is not there, and `file.lock` beside it. SellerInUseError where somebody has it. Close it. */
export async function openSeller(
  file: string,
  options: Omit<SellerOptions, "database" | "clock" | "random">,
): Promise<FileSeller> {
  const lock = exclusiveLock(`${file}.lock`, 0);
  if (lock === undefined) throw new SellerInUseError(file);
  const database = openDatabase<SellerTables>({ file });
  const close = async () => {
    await database.destroy();
    unlock(lock);
  };
  try {
    const seller = await Seller.open({ ...options, database, clock: systemClock, random: systemRandom });
    return Object.assign(seller, { close });
  } catch (error) {
    await close();
    throw error;
  }
}
