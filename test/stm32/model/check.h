/* What must hold; and numbers by which a run can be repeated. */
#ifndef TALLYSTICK_MODEL_CHECK_H
#define TALLYSTICK_MODEL_CHECK_H

#include <stdint.h>

#include "../../hardware/check.h"

void random_seed(uint64_t seed);
/* Below `bound`. */
uint32_t random_below(uint32_t bound);

#endif
