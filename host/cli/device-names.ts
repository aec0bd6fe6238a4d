/** What people call roles and states of chips. */

import { LIVES, ROLES } from "../apdu-tools/names.js";
import { appletNumbered } from "../applets.js";
import type { Element } from "../element.js";

export function nameOfRole(role: number): string {
  return ROLES.get(role) ?? `role ${role}`;
}

/** A chip that has no role yet is called by its applet. */
export function roleName({ known, applet }: Element): string {
  const name = known.role === 0 ? appletNumbered(applet)?.name.replace("-", " ") : undefined;
  return name ?? nameOfRole(known.role);
}

export function lifeName(life: number): string {
  return LIVES.get(life) ?? `state ${life}`;
}
