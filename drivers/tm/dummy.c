/*
 * Flavour "dummy": every command is done at once, nothing is. How slow and how
 * unreliable it is, the knobs of the simulated hosts say (drivers/common/dummy.h);
 * the driver asks them once a request.
 */
#include "drivers/tm/transfer.h"

static gboolean nothing(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    return TRUE;
}

const Flavour flavour_dummy = {
    .name = "dummy",
    .aliases = {"tm_dummy"},
    .deeds =
        {
            [VERB_CLONE] = nothing,
            [VERB_LN] = nothing,
            [VERB_MV] = nothing,
            [VERB_DELETE] = nothing,
            [VERB_MKSWAP] = nothing,
            [VERB_MKIMAGE] = nothing,
            [VERB_CONTEXT] = nothing,
            [VERB_SNAP_CREATE] = nothing,
            [VERB_SNAP_CREATE_LIVE] = nothing,
            [VERB_SNAP_REVERT] = nothing,
            [VERB_SNAP_DELETE] = nothing,
            [VERB_RESIZE] = nothing,
            [VERB_MVDS] = nothing,
            [VERB_CPDS] = nothing,
            [VERB_PREMIGRATE] = nothing,
            [VERB_POSTMIGRATE] = nothing,
            [VERB_FAILMIGRATE] = nothing,
        },
};
