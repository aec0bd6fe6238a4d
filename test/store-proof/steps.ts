/** What a small store is led through: the steps that sequences are made of, and the states that they begin in. */

import type { Step, StoreDriver, StoreImage } from "../support/store-driver.js";

const SMALL = 20;
const LARGE = 1024;

/** The alphabet. `turn` makes every value another one, so that an old value is not taken for a new one. */
export const ALPHABET: readonly { readonly name: string; readonly step: (turn: number) => Step }[] = [
  { name: "put 1 small", step: (turn) => put({ key: 1, length: SMALL, fill: turn }) },
  { name: "put 1 large", step: (turn) => put({ key: 1, length: LARGE, fill: turn }) },
  { name: "put 2 small", step: (turn) => put({ key: 2, length: SMALL + 1, fill: turn }) },
  { name: "put 2 large", step: (turn) => put({ key: 2, length: LARGE - 1, fill: turn }) },
  { name: "delete 1", step: () => put({ key: 1 }) },
  { name: "delete 2", step: () => put({ key: 2 }) },
  {
    name: "put 1 small, 2 large",
    step: (turn) => put({ key: 1, length: SMALL, fill: turn }, { key: 2, length: LARGE, fill: turn }),
  },
  { name: "delete 1, put 2 small", step: (turn) => put({ key: 1 }, { key: 2, length: SMALL, fill: turn }) },
  {
    name: "abort put 1 large, delete 2",
    step: (turn) => ({ ...put({ key: 1, length: LARGE, fill: turn }, { key: 2 }), isAborted: true }),
  },
  { name: "housekeeping", step: () => ({ kind: "housekeeping" }) },
  { name: "reboot", step: () => ({ kind: "reboot" }) },
];

type Transaction = Extract<Step, { kind: "transaction" }>;

function put(...changes: Transaction["changes"]): Transaction {
  return { kind: "transaction", changes };
}

export const STARTS = ["fresh", "about to turn a page", "about to collect", "full"] as const;
export type Start = (typeof STARTS)[number];

/** Brings a store there; what it holds besides keys 1 and 2 has keys from 10 on. */
export function begin(driver: StoreDriver, start: Start): StoreImage {
  driver.format();
  if (start === "about to turn a page") {
    cold(driver);
    fillUntil(driver, () => probe(driver).opens && !probe(driver).collects);
  } else if (start === "about to collect") {
    cold(driver);
    // The ring has turned over, so that the page ahead holds garbage and must be erased.
    fillUntil(driver, () => probe(driver).collects && probe(driver).erases);
  } else if (start === "full") {
    cold(driver);
    for (let key = 20; driver.store.storeFreeRecords() > 0; key++) {
      driver.transaction([{ key, length: Math.min(LARGE, driver.store.storeFreeBytes()), fill: key }]);
    }
  }
  return driver.image();
}

function cold(driver: StoreDriver): void {
  driver.transaction([
    { key: 1, length: SMALL, fill: 1000 },
    { key: 2, length: SMALL, fill: 1001 },
    { key: 10, length: 300, fill: 1002 },
  ]);
}

function fillUntil(driver: StoreDriver, isThere: () => boolean): void {
  for (let turn = 0; !isThere(); turn++) {
    if (turn > 10_000) throw new Error("the state to begin in is not reached");
    driver.transaction([{ key: 11, length: 50 + (turn % 3) * 70, fill: turn }]);
  }
}

/** What putting a large record would do. */
function probe(driver: StoreDriver): { opens: boolean; collects: boolean; erases: boolean } {
  const image = driver.image();
  const { pageSizeBytes } = driver.chip.flash.geometry;
  let opens = false;
  let erases = false;
  let commits = 0;
  driver.chip.onOperation = ({ kind, address, lengthBytes }) => {
    if (kind === "flash-program" && address % pageSizeBytes === 0) opens = true;
    if (kind === "flash-erase") erases = true;
    // Records here are longer or shorter than a commit entry.
    if (kind === "flash-program" && lengthBytes === 32 && address % pageSizeBytes !== 0) commits++;
    return undefined;
  };
  driver.transaction([{ key: 1, length: LARGE, fill: 0 }]);
  driver.chip.onOperation = undefined;
  driver.restore(image);
  return { opens, collects: commits > 1, erases };
}
