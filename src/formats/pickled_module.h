// Networks of PyTorch that were pickled as a whole: their attributes tell parameters and modules.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "formats/pickle.h"

namespace convoy {

// The items of a dictionary, or of an object that was filled like one; nullptr for anything else.
const PickleDict* dictionary_in(const Pickle& pickle, PickleId id);
// The attributes of an object, by name; nullptr for anything else.
const PickleDict* attributes_in(const Pickle& pickle, PickleId id);

// Whether the value is an object with the attributes of a torch.nn.Module.
bool is_module(const Pickle& pickle, PickleId id);

using PickledEntryVisitor = std::function<void(std::string_view name, PickleId value)>;

// Calls visit with all parameters and persistent buffers of a module and those below it, in the order and under the
// names of Module.state_dict(). budget: attributes that may still be looked at, since a module may stand in many
// places. Throws Error when there are more, and for modules that are nested without end.
void visit_module(const Pickle& pickle, PickleId module, int64_t& budget, const PickledEntryVisitor& visit);

}  // namespace convoy
