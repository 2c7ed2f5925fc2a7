// driver_graph.cpp -- entry points: graphs, which replay in the order of their capture.
#include "emulator/driver_state.hpp"

#include <algorithm>

using namespace swage::fake;

FAKE_CUDA_EXPORT int cuGraphInstantiateWithFlags(GraphExec** handle, Graph* graph_handle,
                                                 unsigned long long) {
  return call("cuGraphInstantiateWithFlags", kContext | kUnsafe, [&] {
    const Graph& graph = checked(state().graphs, graph_handle, Result::invalid_value);
    require(handle != nullptr);
    auto executable = std::make_unique<GraphExec>();
    executable->context = &current_context();
    executable->operations = graph.operations;
    *handle = keep(state().executables, std::move(executable));
  });
}

FAKE_CUDA_EXPORT int cuGraphUpload(GraphExec* handle, Stream* stream) {
  return call("cuGraphUpload", kContext, [&] {
    checked(state().executables, handle, Result::invalid_value);
    find_stream(stream);
  });
}

FAKE_CUDA_EXPORT int cuGraphLaunch(GraphExec* handle, Stream* stream_handle) {
  return call("cuGraphLaunch", kInitialized, [&] {
    const GraphExec& executable = checked(state().executables, handle, Result::invalid_value);
    Stream& stream = find_stream(stream_handle);
    submit(stream, [operations = executable.operations] {
      for (const Operation& operation : operations)
        operation();
    });
  });
}

FAKE_CUDA_EXPORT int cuGraphGetNodes(Graph* handle, void** nodes, std::size_t* count) {
  return call("cuGraphGetNodes", kInitialized, [&] {
    Graph& graph = checked(state().graphs, handle, Result::invalid_value);
    require(count != nullptr);
    if (nodes != nullptr) {
      *count = std::min(*count, graph.operations.size());
      for (std::size_t i = 0; i < *count; ++i)
        nodes[i] = &graph.operations[i];
    } else {
      *count = graph.operations.size();
    }
  });
}

FAKE_CUDA_EXPORT int cuGraphDestroy(Graph* handle) {
  return call("cuGraphDestroy", kInitialized, [&] {
    checked(state().graphs, handle, Result::invalid_value);
    state().graphs.erase(handle);
  });
}

FAKE_CUDA_EXPORT int cuGraphExecDestroy(GraphExec* handle) {
  return call("cuGraphExecDestroy", kInitialized, [&] {
    checked(state().executables, handle, Result::invalid_value);
    state().executables.erase(handle);
  });
}
