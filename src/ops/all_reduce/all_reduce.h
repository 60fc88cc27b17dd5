// Sums of tensors over the ranks of a world, which go on while other nodes run.
#pragma once

#include "convoy/op.h"
#include "core/world.h"

namespace convoy {

// Inputs: any number of tensors. Outputs: the same, times `scale`, of which the world begins to make sums over its
// ranks. Only AllReduceWait may read them. Without a world there is one rank.
class AllReduceOp : public OpOf<AllReduceOp> {
 public:
  static constexpr std::string_view kName = "all_reduce";
  static constexpr Slot kSlots[] = {{"term", Slot::Kind::many}};

  // tensors: how many there are.
  explicit AllReduceOp(World* world = nullptr, int64_t tensors = 0, float scale = 1)
      : world_(world), tensors_(tensors), scale_(scale) {}

  World* world() const { return world_; }
  float scale() const { return scale_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("tensors", self.tensors_);
    visit("scale", self.scale_, 1);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  World* world_;
  int64_t tensors_;
  float scale_;
};

// Inputs: the outputs of an AllReduce. Outputs: the sums, once they are there.
class AllReduceWaitOp : public OpOf<AllReduceWaitOp> {
 public:
  static constexpr std::string_view kName = "all_reduce_wait";
  static constexpr Slot kSlots[] = {{"sum", Slot::Kind::many}};

  explicit AllReduceWaitOp(World* world = nullptr, int64_t tensors = 0) : world_(world), tensors_(tensors) {}

  World* world() const { return world_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("tensors", self.tensors_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  World* world_;
  int64_t tensors_;
};

}  // namespace convoy
