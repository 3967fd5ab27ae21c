#pragma once

#include <jni.h>

#include <cstdint>
#include <utility>

namespace torchferry::jni {

// Java holds a native object as a pointer in a long; io.torchferry.Handle sees to it that it is alive in
// every call and freed once.

template <class Object>
Object& object_at(jlong pointer) {
  return *reinterpret_cast<Object*>(static_cast<std::intptr_t>(pointer));
}

template <class Object>
jlong to_java(Object object) {
  return static_cast<jlong>(reinterpret_cast<std::intptr_t>(new Object(std::move(object))));
}

template <class Object>
void destroy(jlong pointer) {
  delete &object_at<Object>(pointer);
}

}  // namespace torchferry::jni
