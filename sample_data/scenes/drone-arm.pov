// Carbon-fibre arm of a multicopter drone with motor and propeller.
// Render with Declare=Cutout=1 and alpha output (+UA) for a cut-out image.
#include "studio.inc"
Studio(<-3.2, 5.4, -8.2>, <0.25, 0.95, 0>, 43, <1, 1, 1>)

// 2x2 twill: A runs along the part, B across it, one unit per tow.
#declare Weave = function(A, B) {
  select(mod(floor(A) + floor(B) + 4000, 4) - 1.5,
    0.55 + 0.45*pow(abs(sin(pi*(B - floor(B)))), 0.7),
    0.02 + 0.22*pow(abs(sin(pi*(A - floor(A)))), 0.7))
}
#declare Clear_Coat = finish {
  diffuse 0.85 specular 0.9 roughness 0.006
  reflection { 0.02, 0.4 fresnel on } conserve_energy
}
#declare Tows = color_map { [0 rgb 0.010] [0.3 rgb 0.022] [1 rgb 0.15] }
#declare Carbon_Tube = texture {          // tube along x
  pigment { function { Weave(x*6.5, atan2(z, y)/(2*pi)*16) } color_map { Tows } }
  finish { Clear_Coat }
}
#declare Carbon_Plate = texture {         // plate in x-z
  pigment { function { Weave(x*6.5, z*6.5) } color_map { Tows } }
  finish { Clear_Coat }
}
#declare Black_Alu = texture {
  pigment { rgb 0.05 }
  finish { Alu_Finish }
}

#declare R = 0.36;

// Tube
difference {
  cylinder { <-3.0, 0, 0>, <1.9, 0, 0>, R }
  cylinder { <-4, 0, 0>, <4, 0, 0>, R - 0.06 }
  texture { Carbon_Tube }
  interior { ior 1.5 }
  translate y*0.62
}
// Clamps (anodised)
#macro Clamp(X, W)
  difference {
    union {
      cylinder { <X - W, 0, 0>, <X + W, 0, 0>, R + 0.1 }
      object { Round_Box_Union(<X - W, -0.14, -R - 0.32>, <X + W, 0.14, R + 0.32>, 0.03) }
    }
    cylinder { <-9, 0, 0>, <9, 0, 0>, R }
    box { <-9, -0.015, -9> <9, 0.015, 9> }
    texture { pigment { rgb <0.55, 0.05, 0.04> } finish { Alu_Finish } }
    translate y*0.62
  }
  #local S = -1;
  #while (S < 2)
    cylinder { <X, 0.5, S*(R + 0.2)>, <X, 0.84, S*(R + 0.2)>, 0.08 texture { Steel } }
    #local S = S + 2;
  #end
#end
Clamp(-2.45, 0.2)
Clamp(0.95, 0.16)
Clamp(2.0 - 0.16, 0.16)

// Motor plates above and below the tube end
#macro Plate(Y)
  difference {
    union {
      cylinder { <1.4, Y, 0>, <1.4, Y + 0.09, 0>, 0.86 }
      box { <0.72, Y, -0.62> <1.4, Y + 0.09, 0.62> }
    }
    #local I = 0;
    #while (I < 6)
      cylinder { <0.66, -3, 0>, <0.66, 3, 0>, 0.07 rotate y*(60*I + 30) translate x*1.4 }
      #local I = I + 1;
    #end
    texture { Carbon_Plate }
    interior { ior 1.5 }
  }
#end
Plate(1.08)
Plate(0.09)

// Brushless motor
union {
  cylinder { <0, 1.17, 0>, <0, 1.27, 0>, 0.6 texture { Black_Alu } }
  #declare I = 0;
  #while (I < 12)
    cylinder { <0.42, 1.27, 0>, <0.42, 1.47, 0>, 0.09 rotate y*30*I
      texture { pigment { rgb <0.60, 0.27, 0.10> } finish { Alu_Finish } } }
    #declare I = I + 1;
  #end
  difference {
    union {
      cylinder { <0, 1.42, 0>, <0, 1.84, 0>, 0.62 }
      cone { <0, 1.84, 0>, 0.62, <0, 1.92, 0>, 0.52 }
    }
    #declare I = 0;
    #while (I < 8)
      cylinder { <0.37, 1.86, 0>, <0.37, 3, 0>, 0.1 rotate y*45*I }
      #declare I = I + 1;
    #end
    texture { Black_Alu }
  }
  cylinder { <0, 1.9, 0>, <0, 2.35, 0>, 0.1 texture { Steel } }
  object { Hex(0.17, 0.16) translate y*2.16 texture { Steel } }
  translate x*1.4
}

// Two-blade propeller: thin twisted blades
#macro Blade(A)
  union {
    #local I = 0;
    #while (I < 300)
      #local Q = I/300;
      #local Wd = 0.10 + 0.26*sin(pi*min(1, 0.12 + 0.83*Q))*(1 - 0.35*Q);
      sphere { 0, 1 scale <0.05, 0.02, Wd> rotate x*(24 - 17*Q) translate <0.12 + 2.5*Q, 0, 0> }
      #local I = I + 1;
    #end
    rotate y*A
  }
#end
union {
  Blade(28)
  Blade(208)
  cylinder { <0, -0.07, 0>, <0, 0.07, 0>, 0.2 }
  pigment { rgb 0.03 }
  finish { Plastic_Finish }
  interior { ior 1.5 }
  translate <1.4, 2.08, 0>
}
