/** What people call roles and states of chips. */

import * as apdu from "../../firmware/protocol/apdu.js";
import * as kinds from "../../firmware/protocol/kinds.js";
import type { Element } from "../element.js";

const ROLES: ReadonlyMap<number, string> = new Map([
  [kinds.ROLE_CUSTOMER, "customer's agent"],
  [kinds.ROLE_MERCHANT, "merchant's agent"],
  [kinds.ROLE_AUTHORITY, "authority's agent"],
  [kinds.ROLE_TRANSACTION, "money module"],
  [kinds.ROLE_TELLER, "teller's money module"],
  [kinds.ROLE_GENERATOR, "money generator"],
  [kinds.ROLE_PURSE, "purse"],
]);

/** Of chips that have no role yet. */
const APPLETS: ReadonlyMap<number, string> = new Map([
  [apdu.AID_TRUSTED_AGENT, "trusted agent"],
  [apdu.AID_MONEY_MODULE, "money module"],
  [apdu.AID_PURSE, "purse"],
]);

const LIVES: ReadonlyMap<number, string> = new Map([
  [apdu.LIFE_BLANK, "blank"],
  [apdu.LIFE_INITIALISED, "initialised"],
  [apdu.LIFE_PERSONALISED, "personalised"],
  [apdu.LIFE_OPERATIONAL, "operational"],
  [apdu.LIFE_TERMINATED, "terminated"],
]);

export function nameOfRole(role: number): string {
  return ROLES.get(role) ?? `role ${role}`;
}

export function roleName({ known, applet }: Element): string {
  return (known.role === 0 ? APPLETS.get(applet) : undefined) ?? nameOfRole(known.role);
}

export function lifeName(life: number): string {
  return LIVES.get(life) ?? `state ${life}`;
}
