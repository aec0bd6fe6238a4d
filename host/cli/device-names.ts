/** What people call roles and states of chips. */

import * as apdu from "../../firmware/protocol/apdu.js";
import { LIVES, ROLES } from "../apdu-tools/names.js";
import type { Element } from "../element.js";

/** Of chips that have no role yet. */
const APPLETS: ReadonlyMap<number, string> = new Map([
  [apdu.AID_TRUSTED_AGENT, "trusted agent"],
  [apdu.AID_MONEY_MODULE, "money module"],
  [apdu.AID_PURSE, "purse"],
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
