/** The applets: each by its AID (ISO/IEC 7816-4, 8.2.1.2), by its firmware's name, and as the sort of chip that it makes of one. */

import { AID_MONEY_MODULE, AID_PURSE, AID_TRUSTED_AGENT } from "../firmware/protocol/apdu.js";
import type { AppletName } from "../simulator/applet-files.js";
import type { ChipSort } from "./chips.js";
import { equalBytes } from "./codec/bytes.js";

export type { AppletName };

export interface AppletNames {
  /** The last byte of its AID. */
  readonly number: number;
  readonly name: AppletName;
  readonly sort: ChipSort;
}

const MODULE: AppletNames = { number: AID_MONEY_MODULE, name: "money-module", sort: "module" };
const AGENT: AppletNames = { number: AID_TRUSTED_AGENT, name: "trusted-agent", sort: "agent" };
const PURSE: AppletNames = { number: AID_PURSE, name: "purse", sort: "purse" };

export const APPLETS: readonly AppletNames[] = [MODULE, AGENT, PURSE];
export const APPLET_NAMES: readonly AppletName[] = APPLETS.map(({ name }) => name);

export const APPLET_OF_SORT: Readonly<Record<ChipSort, AppletNames>> = { module: MODULE, agent: AGENT, purse: PURSE };
export const APPLET_NAMED: Readonly<Record<AppletName, AppletNames>> = {
  "money-module": MODULE,
  "trusted-agent": AGENT,
  purse: PURSE,
};

/** F0 (proprietary), then the name. */
const AID_PREFIX = Uint8Array.of(0xf0, ...new TextEncoder().encode("TALLY"));

/** The name by which an application is selected. */
export function aidOf(applet: number): Uint8Array {
  return Uint8Array.of(...AID_PREFIX, applet);
}

export function appletNumbered(applet: number): AppletNames | undefined {
  return APPLETS.find(({ number }) => number === applet);
}

/** The applet of an AID; undefined for the AID of something else. */
export function appletOfAid(aid: Uint8Array): AppletNames | undefined {
  return APPLETS.find(({ number }) => equalBytes(aidOf(number), aid));
}
