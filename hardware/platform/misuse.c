/* What libsodium calls when it is given what it cannot work with; the platform has checked that it never is. */

#include <sodium/core.h>

#include "element.h"

void sodium_misuse(void) {
  element_stop();
}
