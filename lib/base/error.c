#include "lib/base/error.h"

G_DEFINE_QUARK(one - error - quark, one_error)
